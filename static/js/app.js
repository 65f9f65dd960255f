/* What the pages do beyond plain HTML and htmx. Without this file every page still works.

A full key is only ever in the text of one element, or on its way to the clipboard: never in an attribute, in
storage or in the history. */
"use strict";

{
  const SHOWN_FOR = 60_000;
  const NOTICE_FOR = 8_000;
  const ANSWER_WITHIN = 20_000;

  const root = document.documentElement;
  const dialog = () => document.getElementById("dialog");
  const dialogBody = () => document.getElementById("dialog-body");
  const word = (name) => document.getElementById("words").dataset[name];

  /* Colours: as the system, light or dark */

  const THEMES = ["system", "light", "dark"];

  function savedTheme() {
    try {
      const theme = localStorage.getItem("theme");
      return THEMES.includes(theme) ? theme : "system";
    } catch {
      return "system"; // Storage may be off.
    }
  }

  function showTheme(theme) {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.ariaLabel = button.title = button.dataset[`label${theme[0].toUpperCase()}${theme.slice(1)}`];
    }
  }

  function nextTheme() {
    const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    showTheme(theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // The choice then lasts for this page.
    }
  }

  root.dataset.js = "";
  showTheme(savedTheme());

  /* Notices */

  /** Where a message is seen and heard: everything behind an open dialog is neither. */
  function notices() {
    return document.getElementById(dialog().open ? "dialog-notices" : "notices");
  }

  function notify(text, level = "success") {
    const notice = document.getElementById(`notice-${level}`).content.firstElementChild.cloneNode(true);
    notice.querySelector("p").textContent = text;
    notices().replaceChildren(notice);
    timeNotices();
  }

  /** Take away good news after a while; errors stay until they are dismissed. */
  function timeNotices() {
    for (const notice of document.querySelectorAll("[data-notice]:not([data-notice=error], [data-timed])")) {
      notice.dataset.timed = "";
      const leave = () =>
        notice.matches(":hover, :focus-within") ? setTimeout(leave, NOTICE_FOR) : notice.remove();
      setTimeout(leave, NOTICE_FOR);
    }
  }

  /** Show the error inside an HTML answer, be it a fragment or a page. */
  function notifyOf(html) {
    const error = new DOMParser().parseFromString(html, "text/html").querySelector("[data-error]");
    if (error) notices().replaceChildren(document.importNode(error, true));
    else notify(word("oddAnswer"), "error");
  }

  /* The dialog */

  let opener = null; // What the dialog was opened from: {action, consumer}.
  let isStale = false; // An answer was about something that this page does not show yet.

  /** A new key that was neither copied nor dismissed on purpose. */
  const guard = () => document.querySelector("[data-guard]");

  function release() {
    guard()?.removeAttribute("data-guard");
    const place = document.querySelector("[data-guard-hint]");
    if (place) place.textContent = "";
  }

  function hint() {
    const place = document.querySelector("[data-guard-hint]");
    if (place) place.textContent = word("copyFirst");
  }

  function openDialog() {
    if (!dialog().open) dialog().showModal();
    const first = ["[aria-invalid=true]", "h2[tabindex]", ":checked", "input:not([type=hidden])", "textarea", "a[data-close]"]
      .map((selector) => dialogBody().querySelector(selector))
      .find(Boolean);
    first?.focus();
    dialog().scrollTop = 0;
  }

  function closeDialog() {
    if (guard()) hint();
    else if (dialog().open) dialog().close();
  }

  function afterClose() {
    if (guard()) {
      // Some browsers close on a second Esc whatever the page says.
      dialog().showModal();
      hint();
      return;
    }
    dialogBody().replaceChildren();
    document.getElementById("dialog-notices").replaceChildren();
    if (isStale) location.reload();
    else restoreFocus();
  }

  /** Back to the button that was used, or to its consumer if a swap took the button away. */
  function restoreFocus() {
    if (!opener || document.activeElement !== document.body) return;
    const form = [...document.forms].find((form) => form.getAttribute("action") === opener.action);
    const row = form?.hidden ? form.closest("[data-key]") : form;
    const place = row?.querySelector("[data-hide]") ?? row?.querySelector("button");
    (place ?? document.getElementById(`consumer-${opener.consumer}`) ?? document.getElementById("main")).focus();
  }

  function rememberOpener(form) {
    if (form.closest("dialog")) return;
    opener = {
      action: form.getAttribute("action"),
      consumer: form.closest("[data-consumer]")?.dataset.consumer,
    };
  }

  /* Buttons that are at work */

  function setBusy(form, button) {
    form.dataset.busy = "";
    (button ?? form.querySelector("button"))?.setAttribute("aria-busy", "true");
  }

  function setIdle(form) {
    delete form.dataset.busy;
    for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  }

  function sayCopied(button) {
    button.dataset.label ??= button.textContent;
    button.textContent = word("copied");
    setTimeout(() => (button.textContent = button.dataset.label), 2_000);
  }

  /* Copy: the key goes from the answer to the clipboard and is not shown */

  class Refusal extends Error {
    constructor(html) {
      super("The portal refused");
      this.html = html;
    }
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
    const asked = askForKey(form);
    const copied = toClipboard(asked).then(() => true, () => false);
    try {
      const key = await asked;
      if (await copied) {
        sayCopied(button);
        notify(word("keyCopied"));
      } else {
        rememberOpener(form);
        copyByHand(key);
      }
    } catch (problem) {
      if (problem instanceof Refusal) notifyOf(problem.html);
      else notify(word("noAnswer"), "error");
    } finally {
      setIdle(form);
    }
  }

  function copyByHand(key) {
    dialogBody().replaceChildren(document.getElementById("copy-by-hand").content.cloneNode(true));
    const field = dialogBody().querySelector("[data-value]");
    field.value = key;
    openDialog();
    field.select();
    startCountdowns();
  }

  async function copyFrom(button) {
    const source = document.querySelector(button.dataset.copyFrom);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
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

  /* What htmx tells */

  document.addEventListener("htmx:beforeRequest", (event) => rememberOpener(event.detail.elt));
  document.addEventListener("htmx:afterRequest", (event) => setIdle(event.detail.elt));
  document.addEventListener("htmx:sendError", () => notify(word("noAnswer"), "error"));
  document.addEventListener("htmx:timeout", () => notify(word("noAnswer"), "error"));
  document.addEventListener("htmx:oobErrorNoTarget", () => (isStale = true));
  document.addEventListener("dialog:close", () => {
    release();
    closeDialog();
  });

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.xhr.status < 400 || detail.xhr.status === 422) return;
    detail.target = notices();
    if (!detail.xhr.responseText.includes("data-error")) {
      detail.shouldSwap = false;
      notify(word("oddAnswer"), "error");
    }
  });

  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    const isUnfolded = detail.target.querySelector(".ended[open]");
    if (isUnfolded) detail.fragment.querySelector(".ended")?.setAttribute("open", "");
  });

  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target === dialogBody() && dialogBody().firstElementChild) openDialog();
    if (dialog().open) dialog().scrollTop = 0;
  });

  document.addEventListener("htmx:afterSettle", () => {
    timeNotices();
    startCountdowns();
    if (dialog().open) return;
    if (isStale) location.reload();
    restoreFocus();
  });

  /* What people do */

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const isTwice = form.dataset.busy !== undefined;
    if (isTwice || form.closest("[data-guard]")) {
      event.preventDefault();
      event.stopPropagation();
      if (!isTwice) hint();
    } else {
      setBusy(form, event.submitter);
    }
  }, true);

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-copy]")) return;
    event.preventDefault();
    copyKey(event.target, event.submitter ?? event.target.querySelector("button"));
  });

  document.addEventListener("click", (event) => {
    const part = (selector) => event.target.closest(selector);
    for (const menu of document.querySelectorAll("[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    if (part("[data-theme-switch]")) nextTheme();
    if (part("[data-dismiss]")) part("[data-notice]").remove();
    if (part("[data-hide]")) mask(part("[data-revealed]"));
    if (part("[data-copy-from]")) copyFrom(part("[data-copy-from]"));
    if (part("[data-close]") && dialog().open) {
      event.preventDefault();
      if (part("[data-releases]")) release();
      closeDialog();
      if (!dialog().open) dialogBody().replaceChildren(); // At once: the event of closing comes later.
    }
  });

  // An address typed into one form need not be typed again into the one that unfolds.
  document.addEventListener("toggle", (event) => {
    for (const field of event.target.querySelectorAll?.("[data-same-as]") ?? []) {
      field.value ||= document.querySelector(field.dataset.sameAs).value;
    }
  }, true);

  let isPressedOutside = false;
  document.addEventListener("pointerdown", (event) => (isPressedOutside = event.target === dialog()));
  document.addEventListener("click", (event) => {
    if (isPressedOutside && event.target === dialog()) closeDialog();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (dialog().open && guard()) {
      event.preventDefault();
      hint();
    }
    for (const menu of document.querySelectorAll("[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // These two do not bubble.
  document.addEventListener("close", (event) => event.target === dialog() && afterClose(), true);
  document.addEventListener("cancel", (event) => {
    if (event.target === dialog() && guard()) {
      event.preventDefault();
      hint();
    }
  }, true);

  document.addEventListener("visibilitychange", () => document.hidden && maskAll());
  window.addEventListener("pagehide", () => {
    maskAll();
    dialogBody()?.replaceChildren();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && document.body.hasAttribute("data-private")) location.reload();
    document.querySelectorAll("form[data-busy]").forEach(setIdle);
  });
  document.addEventListener("DOMContentLoaded", () => {
    showTheme(savedTheme());
    timeNotices();
  });
}
