/* Puts keys on the clipboard, and hides those that are shown; in the portal and in Django admin.

A full key is only ever in the text of one element, or on its way to the clipboard: never in an attribute, in
storage or in the history. Without this file the forms lead to a page to copy from. */
"use strict";

{
  const SHOWN_FOR = 60_000;
  const ANSWER_WITHIN = 20_000;
  const NEEDS_NO_QUOTES = /^[\w.~+/=:-]+$/;
  const { word, notify, explain, release } = window.portal;
  const byHand = document.getElementById("copy-by-hand");

  function sayCopied(button) {
    button.dataset.label ??= button.textContent;
    button.textContent = word("copied");
    setTimeout(() => (button.textContent = button.dataset.label), 2_000);
    if (!document.querySelector("[data-each]:not([data-label])")) release();
  }

  /* The key goes from the answer to the clipboard, and is not shown */

  /** The key; or nothing, where it was refused, or the whole page goes somewhere else first. */
  async function askForKey(button) {
    const response = await fetch(button.getAttribute("formaction") ?? button.form.action, {
      method: "POST",
      body: new FormData(button.form),
      headers: { "HX-Request": "true", "HX-Current-URL": location.href, Accept: "text/plain" },
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    const elsewhere = response.headers.get("HX-Redirect");
    if (elsewhere) return location.assign(elsewhere);
    const text = await response.text();
    if (response.ok && response.headers.get("Content-Type")?.startsWith("text/plain")) return text;
    explain(button, response.status, text);
  }

  /** What is copied, and said then: the key itself, or in the ready request that the button names. */
  function filled(button, key) {
    if (!button.dataset.copy) return { text: key, said: button.dataset.said ?? "keyCopied" };
    if (!NEEDS_NO_QUOTES.test(key)) return { text: key, said: "onlyTheKey" };
    const code = document.querySelector(button.dataset.copy).cloneNode(true);
    code.querySelector("[data-place]").textContent = key;
    return { text: code.textContent.trim() + "\n", said: "requestCopied" };
  }

  /** Starts in the click itself: Safari gives the clipboard to nobody who waits first. */
  async function toClipboard(asked) {
    const blob = asked.then(({ text }) => new Blob([text], { type: "text/plain" }));
    blob.catch(() => {}); // Whoever waits for the key itself hears of it.
    return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
  }

  async function copyKey(button) {
    const asked = askForKey(button)
      .then((key) => key && filled(button, key))
      .catch(() => notify("error", word("noAnswer")));
    const copied = toClipboard(asked).then(() => true, () => false);
    const ready = await asked;
    if (!ready) return;
    if (!(await copied)) return copyByHand(ready.text);
    sayCopied(button);
    notify("success", word(ready.said));
  }

  function copyByHand(text) {
    const field = byHand.querySelector("[data-value]");
    field.textContent = text;
    byHand.dataset.revealed = "";
    byHand.showModal();
    field.select();
    count();
  }

  async function copyFrom(button) {
    const source = document.querySelector(button.dataset.copyFrom);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
      sayCopied(button);
    } catch {
      getSelection().selectAllChildren(source);
      source.select?.();
      notify("error", word("copyByHand"));
    }
  }

  /* Revealed keys are masked again after a minute, and whenever nobody looks */

  function count() {
    for (const element of document.querySelectorAll("[data-revealed]")) {
      element.dataset.revealed ||= Date.now() + SHOWN_FOR;
      const seconds = Math.ceil((element.dataset.revealed - Date.now()) / 1000);
      element.querySelector("[data-countdown]")?.replaceChildren(`${seconds} s`);
      if (seconds <= 0) mask(element);
    }
  }

  function mask(element) {
    delete element.dataset.revealed;
    element.querySelector("[data-value]").textContent = element.dataset.masked;
    element.close?.();
    const hide = element.querySelector("[data-hide]");
    const next = hide?.nextElementSibling ?? hide?.previousElementSibling;
    if (hide?.matches(":focus")) (next.querySelector("button") ?? next).focus();
  }

  const maskAll = () => document.querySelectorAll("[data-revealed]").forEach(mask);

  setInterval(count, 1_000);
  document.addEventListener("htmx:afterSettle", count);
  document.addEventListener("visibilitychange", () => document.hidden && maskAll());
  window.addEventListener("pagehide", maskAll);
  byHand?.addEventListener("close", () => mask(byHand));

  /* What people do */

  document.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!button?.matches("[data-copy]")) return;
    event.preventDefault();
    await copyKey(button);
    button.ariaBusy = null;
  });

  document.addEventListener("click", (event) => {
    const part = (selector) => event.target.closest(selector);
    if (part("[data-hide]")) mask(part("[data-revealed]"));
    if (part("[data-copy-from]")) copyFrom(part("[data-copy-from]"));
  });

  addEventListener("load", () => document.querySelector("[data-finish]")?.click());
  document.documentElement.dataset.copies = "";
}
