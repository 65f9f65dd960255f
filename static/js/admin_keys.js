/* Copy in Django admin: the key goes from the page that Copy answers with to the clipboard, and is not shown.

Without this file that page is shown, to copy from. So it is where the browser refuses the clipboard. */
"use strict";

{
  const ANSWER_WITHIN = 20_000;
  const SHOWN_FOR = 60_000;

  async function pageOf(form) {
    const signal = AbortSignal.timeout(ANSWER_WITHIN);
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual", signal });
    if (response.type === "opaqueredirect") {
      form.submit(); // To the proof of who is there: nothing was revealed yet.
      return null;
    }
    return new DOMParser().parseFromString(await response.text(), "text/html");
  }

  const keyIn = (page) => page?.querySelector(".secret-value")?.value;

  /** Starts in the click itself: Safari gives the clipboard to nobody who waits first. */
  async function toClipboard(promise) {
    try {
      const blob = promise.then((text) => new Blob([text], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      return true;
    } catch {
      return false;
    }
  }

  function sayCopied(button, words) {
    words.textContent = words.dataset.said;
    button.dataset.label ??= button.textContent;
    button.textContent = words.dataset.copied;
    setTimeout(() => {
      button.textContent = button.dataset.label;
      words.textContent = "";
    }, 2_000);
  }

  /** The answer itself, in place of this page's content: the key to copy by hand, or what went wrong. */
  function show(page) {
    document.getElementById("content").replaceWith(document.importNode(page.getElementById("content"), true));
    const field = document.querySelector(".secret-value");
    if (!field) return;
    field.select();
    setTimeout(() => location.reload(), SHOWN_FOR);
    window.addEventListener("pagehide", () => field.remove());
  }

  async function copy(form, button) {
    const words = document.querySelector("[data-said]");
    const asked = pageOf(form);
    const copied = toClipboard(asked.then((page) => keyIn(page) ?? Promise.reject(new Error("no key"))));
    try {
      const page = await asked;
      if (!page) return;
      if (await copied) sayCopied(button, words);
      else show(page);
    } catch {
      words.className = "panel-empty warn";
      words.textContent = words.dataset.failed;
    }
  }

  let isBusy = false;

  document.addEventListener("submit", async (event) => {
    if (!event.target.matches("[data-copy]")) return;
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    await copy(event.target, event.submitter ?? event.target.querySelector("button"));
    isBusy = false;
  });
}
