/* What the pages about keys do: copy, mask again, ready requests, shortcuts.

A full key is only ever in the text of one element, or on its way to the clipboard: never in an attribute, in
storage or in the history. */
"use strict";

{
  const { dialog, dialogBody, word, notify, notifyOf, openDialog, rememberOpener, release, setIdle } = window.portal;
  const SHOWN_FOR = 60_000;
  const ANSWER_WITHIN = 20_000;
  const NEEDS_NO_QUOTES = /^[\w.~+/=:-]+$/;

  /* Copy: the key goes from the answer to the clipboard and is not shown */

  class Refusal extends Error {
    constructor(html) {
      super("The portal refused");
      this.html = html;
    }
  }

  function sayCopied(button) {
    button.dataset.label ??= button.textContent;
    button.textContent = word("copied");
    setTimeout(() => (button.textContent = button.dataset.label), 2_000);
  }

  async function askForKey(form) {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { "HX-Request": "true", "HX-Current-URL": location.href, Accept: "text/plain" },
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    const elsewhere = response.headers.get("HX-Redirect");
    if (elsewhere) {
      location.assign(elsewhere);
      return new Promise(() => {}); // The page is about to go.
    }
    const text = await response.text();
    if (response.ok && response.headers.get("Content-Type")?.startsWith("text/plain")) return text;
    throw new Refusal(text);
  }

  /** What is copied and what is said then: the key itself, or the ready request that the form names, with the key. */
  function filled(form, key) {
    if (!form.dataset.copy) return { text: key, said: "keyCopied" };
    if (!NEEDS_NO_QUOTES.test(key)) return { text: key, said: "onlyTheKey" };
    const code = document.querySelector(form.dataset.copy).cloneNode(true);
    code.querySelector("[data-place]").textContent = key;
    return { text: code.textContent.trim() + "\n", said: "requestCopied" };
  }

  /** Starts in the click itself: Safari gives the clipboard to nobody who waits first. */
  async function toClipboard(promise) {
    if (window.ClipboardItem) {
      const blob = promise.then((text) => new Blob([text], { type: "text/plain" }));
      blob.catch(() => {}); // Whoever waits for the promise itself hears of it.
      try {
        return await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      } catch {
        // Not every browser takes a promise.
      }
    }
    return navigator.clipboard.writeText(await promise);
  }

  async function copyKey(form, button) {
    const asked = askForKey(form).then((key) => filled(form, key));
    const copied = toClipboard(asked.then(({ text }) => text)).then(() => true, () => false);
    try {
      const { text, said } = await asked;
      if (await copied) {
        sayCopied(button);
        notify(word(said));
      } else {
        rememberOpener(form);
        copyByHand(text);
      }
    } catch (problem) {
      if (problem instanceof Refusal) notifyOf(problem.html);
      else notify(word("noAnswer"), "error");
    } finally {
      setIdle(form);
    }
  }

  function copyByHand(text) {
    dialogBody().replaceChildren(document.getElementById("copy-by-hand").content.cloneNode(true));
    const field = dialogBody().querySelector("[data-value]");
    field.value = text;
    openDialog();
    field.select();
    startCountdowns();
  }

  async function copyFrom(button) {
    const source = document.querySelector(button.dataset.copyFrom);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
      sayCopied(button);
      release();
    } catch {
      getSelection().selectAllChildren(source);
      source.select?.();
      notify(word("copyByHand"), "error");
    }
  }

  /* Revealed keys are masked again after a minute, and whenever nobody looks */

  function startCountdowns() {
    for (const element of document.querySelectorAll("[data-revealed]:not([data-counting])")) {
      element.dataset.counting = "";
      const end = Date.now() + SHOWN_FOR;
      const tick = () => {
        const seconds = Math.ceil((end - Date.now()) / 1000);
        if (seconds <= 0) mask(element);
        if (seconds <= 0 || !element.isConnected) clearInterval(timer);
        const countdown = element.querySelector("[data-countdown]");
        if (countdown) countdown.textContent = word("hidesIn").replace("{seconds}", seconds);
      };
      const timer = setInterval(tick, 1000);
      tick();
    }
  }

  function mask(element) {
    if (element.closest("dialog")) {
      dialog().close();
      dialogBody().replaceChildren();
      return;
    }
    element.querySelector("[data-value]").textContent = element.dataset.masked;
    element.querySelector("[data-countdown]")?.remove();
    const reveal = element.querySelector("[data-reveal]");
    const hide = element.querySelector("[data-hide]");
    reveal.hidden = false;
    if (hide === document.activeElement) reveal.querySelector("button").focus();
    hide?.remove();
    delete element.dataset.revealed;
  }

  function maskAll() {
    document.querySelectorAll("[data-revealed]").forEach(mask);
  }

  document.addEventListener("htmx:afterSettle", startCountdowns);
  document.addEventListener("visibilitychange", () => document.hidden && maskAll());
  window.addEventListener("pagehide", maskAll);

  /* What people do */

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-copy]")) return;
    event.preventDefault();
    copyKey(event.target, event.submitter ?? event.target.querySelector("button"));
  });

  document.addEventListener("click", (event) => {
    const part = (selector) => event.target.closest(selector);
    if (part("[data-hide]")) mask(part("[data-revealed]"));
    if (part("[data-copy-from]")) copyFrom(part("[data-copy-from]"));
  });
}
