/* Asks the browser for a passkey, and sends what it answers with the form. Without this file nothing is offered.

Reads options and writes credentials as JSON by the browser's own methods: Firefox has them since version 119, Chrome
since 129, Safari since 18.4. An older browser is told so.

<form data-passkey="get|create" data-options="id of a JSON block" or data-options-url="address of one">, with a
hidden field named credential. */
"use strict";

{
  const canUsePasskeys = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);

  async function optionsOf(form) {
    if (form.dataset.options) return JSON.parse(document.getElementById(form.dataset.options).textContent).publicKey;
    const response = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error("The portal gave no options");
    return (await response.json()).request_options.publicKey;
  }

  async function credentialFor(form) {
    const options = await optionsOf(form);
    return form.dataset.passkey === "create"
      ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-passkey]")) return;
    event.preventDefault();
    const trouble = form.querySelector(".passkey-trouble");
    trouble.hidden = true;
    try {
      form.elements.credential.value = JSON.stringify((await credentialFor(form)).toJSON());
      form.submit();
    } catch {
      // Refused, timed out, or no such passkey: browsers do not say which.
      form.querySelector("button").ariaBusy = null;
      trouble.hidden = false;
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const form of canUsePasskeys ? [] : document.querySelectorAll("[data-passkey]")) {
      form.querySelector("button").disabled = true;
      for (const words of form.querySelectorAll("[data-too-old]")) words.hidden = false;
    }
  });
}
