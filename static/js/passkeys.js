/* Asks the browser for a passkey, and sends what it answers with the form. Without this file nothing is offered.

<form data-passkey="get|create" data-options="id of a JSON block" or data-options-url="address of one">, with a
hidden field named credential. */
"use strict";

{
  async function optionsOf(form) {
    if (form.dataset.options) return JSON.parse(document.getElementById(form.dataset.options).textContent);
    const response = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error("The portal gave no options");
    return (await response.json()).request_options;
  }

  /** A passkey signs in by itself: it is kept on the device, which checks who is there. */
  function asPasskey(options) {
    options.publicKey.authenticatorSelection = {
      ...options.publicKey.authenticatorSelection,
      residentKey: "required",
      requireResidentKey: true,
      userVerification: "required",
    };
    return options;
  }

  async function credentialFor(form) {
    const options = await optionsOf(form);
    return form.dataset.passkey === "create"
      ? webauthnJSON.create(asPasskey(options))
      : webauthnJSON.get(options);
  }

  function setIdle(form) {
    delete form.dataset.busy;
    for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  }

  async function use(form) {
    const trouble = form.querySelector(".passkey-trouble");
    trouble.hidden = true;
    try {
      form.elements.credential.value = JSON.stringify(await credentialFor(form));
      form.submit();
    } catch {
      // Refused, timed out, or no such passkey: browsers do not say which.
      setIdle(form);
      trouble.hidden = false;
    }
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-passkey]")) return;
    event.preventDefault();
    use(event.target);
  });

  document.addEventListener("DOMContentLoaded", () => {
    if (webauthnJSON.supported()) return;
    for (const form of document.querySelectorAll("[data-passkey]")) form.hidden = true;
  });
}
