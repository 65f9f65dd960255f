/* Asks the browser for a passkey, and sends what it answers with the form. Without this file nothing is offered.

Reads options and writes credentials as JSON by the browser's own methods: Firefox has them since version 119, Chrome
since 129, Safari since 18.4. An older browser is told so.

<form data-passkey="get|create" data-options="id of a JSON block" or data-options-url="address of one">, with a
hidden field named credential. */
"use strict";

{
  const PARSE = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" };

  async function optionsOf({ options, optionsUrl }) {
    if (options) return JSON.parse(document.getElementById(options).textContent).publicKey;
    const response = await fetch(optionsUrl, { headers: { Accept: "application/json" } });
    return (await response.json()).request_options.publicKey;
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-passkey]")) return;
    event.preventDefault();
    const trouble = form.querySelector(".passkey-trouble");
    trouble.hidden = true;
    try {
      const way = form.dataset.passkey;
      const publicKey = PublicKeyCredential[PARSE[way]](await optionsOf(form.dataset));
      form.elements.credential.value = JSON.stringify((await navigator.credentials[way]({ publicKey })).toJSON());
      form.submit();
    } catch {
      // Refused, timed out, or no such passkey: browsers do not say which.
      form.querySelector("button").ariaBusy = null;
      trouble.hidden = false;
    }
  });

  // The stylesheet says so then, and offers no button.
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) document.documentElement.dataset.noPasskeys = "";
}
