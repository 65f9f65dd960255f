/* What every page does beyond plain HTML and htmx. Without this file every page still works. */
"use strict";

{
  const NOTICE_FOR = 8_000;
  const SKELETON_AFTER = 200;

  const root = document.documentElement;
  const dialog = () => document.getElementById("dialog");
  const dialogBody = () => document.getElementById("dialog-body");
  const word = (name) => document.getElementById("words").dataset[name];

  /* What this browser remembers; where storage is off, a choice lasts for the page */

  function storage(use) {
    try {
      return use(localStorage);
    } catch {
      return null;
    }
  }

  const recall = (name) => storage((kept) => kept.getItem(name));
  const remember = (name, value) => storage((kept) => kept.setItem(name, value));

  /* Colours, of a phone's address bar too: as the system, light or dark; not kept as "theme", which is Django admin's */

  const THEMES = ["system", "light", "dark"];

  const savedTheme = () => THEMES.find((theme) => theme === recall("portal-theme")) ?? "system";

  function showTheme(theme) {
    if (theme !== "system") root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.ariaLabel = button.title = button.dataset[`label${theme[0].toUpperCase()}${theme.slice(1)}`];
    }
    for (const bar of document.querySelectorAll("[name=theme-color]")) {
      const asked = (bar.dataset.media ??= bar.media);
      bar.media = theme === "system" ? asked : asked.includes(theme) ? "all" : "not all";
    }
  }

  function nextTheme() {
    const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    delete root.dataset.theme;
    showTheme(theme);
    remember("portal-theme", theme);
  }

  showTheme(savedTheme());

  /* Notices */

  /** Where a message is seen and heard: everything behind an open dialog is neither. */
  const notices = () => document.getElementById(dialog().open ? "dialog-notices" : "notices");

  function show(notice) {
    notices().replaceChildren(notice);
    if (dialog().open) notice.scrollIntoView({ block: "nearest" });
    timeNotices();
  }

  /** The words are a text or an element. */
  function notify(words, level = "success") {
    const notice = document.getElementById(`notice-${level}`).content.firstElementChild.cloneNode(true);
    if (words.nodeType) notice.querySelector("p").replaceWith(words);
    else notice.querySelector("p").textContent = words;
    show(notice);
  }

  /** Take away good news after a while; errors stay until they are dismissed. */
  function timeNotices() {
    for (const notice of document.querySelectorAll("[data-notice]:not([data-notice=error], [data-timed])")) {
      notice.dataset.timed = "";
      const leave = () => (notice.matches(":hover, :focus-within") ? setTimeout(leave, NOTICE_FOR) : notice.remove());
      setTimeout(leave, NOTICE_FOR);
    }
  }

  /** Show the error inside an HTML answer: a notice as it is, a page's words as one. */
  function notifyOf(html) {
    const error = new DOMParser().parseFromString(html, "text/html").querySelector("[data-error]");
    if (error?.matches("[data-notice]")) show(document.importNode(error, true));
    else if (error) {
      const words = document.createElement("div");
      words.append(...error.querySelectorAll("h1, p"));
      notify(words, "error");
    } else notify(word("oddAnswer"), "error");
  }

  /* The dialog */

  let opener = null; // What the dialog was opened from: {part, action (should part be drawn anew), consumer, neighbour}, and the key made in it.
  let isStale = false; // An answer was about something that this page does not show yet.

  /** A new key that was neither copied nor dismissed on purpose. */
  const guard = () => document.querySelector("[data-guard]");

  const hint = (words = word("copyFirst")) => document.querySelector("[data-guard-hint]")?.replaceChildren(words);

  function release() {
    guard()?.removeAttribute("data-guard");
    hint("");
  }

  function openDialog() {
    if (!dialog().open) dialog().showModal();
    if (opener) opener.made = dialogBody().querySelector("[data-made]")?.dataset.made;
    const typed = "input:not([type=hidden], [type=radio], [type=checkbox])";
    const first = ["[aria-invalid=true]", "h2[tabindex]", typed, ":checked", "textarea", "a[data-close]"]
      .map((selector) => dialogBody().querySelector(selector))
      .find((place) => place?.checkVisibility());
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
    if (slow.place === dialogBody()) slow.xhr.abort();
    dialogBody().replaceChildren();
    document.getElementById("dialog-notices").replaceChildren();
    if (isStale && opener?.made) location.hash = opener.made;
    if (isStale) location.reload();
    else restoreFocus();
  }

  /** Where a button or a form leads; in a row a button names a verb behind the address of its form. */
  function address(part) {
    if (part.matches("[data-key] [name=ask]")) return `${part.form.getAttribute("action")}${part.value}/`;
    return part.getAttribute("formaction") ?? (part.form ?? part).getAttribute("action");
  }

  const used = () => opener?.part.isConnected ? opener.part : [...document.querySelectorAll("button:not([data-of-key])")].find((one) => opener?.action && address(one) === opener.action);

  /** To the key just made, or the button that was used; else to the next row, to its consumer, or to the page. */
  function restoreFocus(isLost = opener) {
    if (!isLost || document.activeElement !== document.body) return;
    const beside = (selector) => used()?.closest(".actions")?.querySelector(selector);
    const [made, ...others] = [opener?.made, opener?.neighbour, `consumer-${opener?.consumer}`].map((id) => document.getElementById(id));
    const places = [made, used(), beside("[data-hide]"), beside("[popovertarget]"), ...others, document.querySelector("[data-main]")];
    places.find((place) => place?.checkVisibility()).focus();
  }

  /** A key that is gone, deleted in another tab for instance, leaves the list; false where this is about none. */
  function leave(part) {
    const row = (part.closest("#dialog") ? used() : part)?.closest("[data-key]");
    if (!row) return false;
    rememberOpener(part);
    row.remove();
    restoreFocus();
    document.body.dispatchEvent(new Event("keys:changed"));
    closeDialog();
    notify(word("keyGone"));
    return true;
  }

  function rememberOpener(part) {
    if (part.closest("dialog") || !part.matches("form, [formaction], [data-key] [name=ask], a")) return;
    const row = part.closest("[data-key]");
    opener = {
      part: part.querySelector("button") ?? part, action: address(part),
      consumer: part.closest("[data-consumer]")?.dataset.consumer,
      neighbour: (part.href ? row : (row?.nextElementSibling ?? row?.previousElementSibling))?.id,
    };
  }

  /* Forms that are at work; or buttons with an address of their own, of which many share a form */

  const isBusy = (part) => part.dataset.busy !== undefined;

  function setBusy(part, button = part) {
    part.dataset.busy = "";
    button.setAttribute("aria-busy", "true");
  }

  function setIdle(part) {
    delete part.dataset.busy;
    for (const button of [part, ...part.querySelectorAll("button")]) button.removeAttribute("aria-busy");
  }

  /* A page or a dialog that is slow to come: its shape in its place, with what is known of it */

  let slow = {};

  function expect({ elt: part, target: place, xhr, requestConfig }) {
    const isDialog = place === dialogBody();
    const shape = document.getElementById(isDialog ? "dialog-skeleton" : "skeleton");
    if (!shape || requestConfig.verb !== "get" || dialog().open || !place.matches("[data-main], #found, #dialog-body")) return;
    slow.place?.matches("#found") ? arrived(slow.xhr) : slow.xhr?.abort(); // Of two presses the last one counts.
    slow = { xhr, place, timer: setTimeout(() => {
      place.setAttribute("aria-busy", "true");
      place.append(shape.content.cloneNode(true));
      if (isDialog) openEarly(part);
    }, SKELETON_AFTER) };
  }

  function openEarly(part) {
    const [title, lead] = dialogBody().querySelectorAll("h2, .dialog-lead");
    title.textContent = part.textContent;
    lead.textContent = part.closest("[role=group]")?.ariaLabel ?? document.getElementById(part.closest("[aria-labelledby]")?.getAttribute("aria-labelledby"))?.textContent;
    dialogBody().firstElementChild.classList.toggle("key-panel", part.matches("[data-key] a"));
    openDialog();
  }

  function arrived(xhr) {
    if (xhr !== slow.xhr) return; // Other answers may come before.
    clearTimeout(slow.timer);
    slow.place.removeAttribute("aria-busy");
    slow.place.querySelector("[data-skeleton]")?.remove();
    slow = {};
    if (dialog().open && !dialogBody().firstElementChild) dialog().close();
  }

  /* Times in the visitor's own zone and manner; pages come with UTC until a cookie tells the zone */

  const secure = location.protocol === "https:" ? ";secure" : "";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  document.cookie = `${document.querySelector("[name=time-zone-cookie]").content}=${zone};path=/;max-age=31536000;samesite=lax${secure}`;

  const [DAY, CLOCK] = [{ day: "numeric", month: "short", year: "numeric" }, { hour: "numeric", minute: "2-digit" }];
  const FORMS = { day: DAY, clock: CLOCK, "": { ...DAY, ...CLOCK, timeZoneName: "short" } };

  /** "3 days ago" stays; the exact time stands in its tooltip, and behind it for screen readers. */
  function localise() {
    const language = document.querySelector("[data-scripted]").lang || root.lang || "en";
    const manner = navigator.languages.find((one) => one.split("-")[0] === language.split("-")[0]) ?? language;
    const forms = Object.fromEntries(Object.keys(FORMS).map((name) => [name, new Intl.DateTimeFormat(manner, FORMS[name])]));
    for (const element of document.querySelectorAll("time[data-time]:not([data-local])")) {
      const moment = new Date(element.dateTime);
      if (isNaN(moment)) continue;
      element.dataset.local = "";
      const words = forms[element.dataset.time].format(moment);
      const behind = element.querySelector("span");
      if (behind) [element.title, behind.textContent] = [words, ` (${words})`];
      else element.textContent = words;
    }
  }

  /* What htmx tells */

  document.addEventListener("htmx:confirm", (event) => event.target.matches("button") && isBusy(event.target) && event.preventDefault());
  document.addEventListener("htmx:configRequest", ({ detail }) => detail.elt.matches("[form=ask], [form=act], [data-key] [name=ask]") && (detail.path = address(detail.elt)));
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (detail.elt.matches("button")) setBusy(detail.elt);
    rememberOpener(detail.elt);
    expect(detail);
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    setIdle(detail.elt);
    arrived(detail.xhr);
  });
  for (const told of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(told, () => notify(word("noAnswer"), "error"));
  for (const told of ["page:stale", "htmx:oobErrorNoTarget"]) document.addEventListener(told, () => (isStale = true));
  document.addEventListener("dialog:close", () => {
    release();
    closeDialog();
  });

  // What was said in the dialog was about the answer before.
  document.addEventListener("htmx:beforeSwap", () => document.getElementById("dialog-notices").replaceChildren());
  document.addEventListener("htmx:responseError", ({ detail: { elt, xhr } }) => {
    arrived(xhr);
    if (xhr.status !== 404 || !leave(elt)) notifyOf(xhr.responseText);
  });

  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    if (detail.target.querySelector(".ended[open]")) detail.fragment.querySelector(".ended")?.setAttribute("open", "");
  });

  document.addEventListener("htmx:afterSwap", ({ detail }) => detail.target === dialogBody() && dialogBody().firstElementChild && openDialog());

  document.addEventListener("htmx:oobAfterSwap", localise);
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    timeNotices();
    localise();
    if (dialog().open) return;
    if (isStale) location.reload();
    if (detail.target.matches("[data-main]")) document.querySelector("[data-main] h1").focus();
    else restoreFocus();
  });

  /* What people do */

  document.addEventListener("submit", (event) => {
    const button = event.submitter ?? event.target.querySelector("button");
    if (event.target.method === "dialog" || !event.target.closest("[data-scripted]")) return;
    const part = button?.hasAttribute("formaction") ? button : event.target;
    if (isBusy(part) || part.closest("[data-guard]")) {
      event.preventDefault();
      event.stopPropagation();
      if (!isBusy(part)) hint();
    } else setBusy(part, button ?? part);
  }, true);

  let isPressedOutside = false;
  document.addEventListener("pointerdown", (event) => (isPressedOutside = event.target === dialog()));
  document.addEventListener("click", (event) => {
    const part = (selector) => event.target.closest(selector);
    if (!part("[data-scripted]")) return;
    if (isPressedOutside && event.target === dialog() && !isTyped()) closeDialog();
    if (part("[data-theme-switch]")) nextTheme();
    part("[data-dismiss]")?.closest("[data-notice]").remove();
    if (part("[data-dismiss]")) restoreFocus(true);
    if (part("[data-close]") && dialog().open) {
      event.preventDefault();
      if (part("[data-releases]")) release();
      closeDialog();
      if (!dialog().open) dialogBody().replaceChildren(); // At once: the event of closing comes later.
    }
  });

  // A menu that the keyboard has left would lie over what comes next.
  document.addEventListener("focusin", ({ target }) => {
    const menu = document.querySelector(".menu-items:popover-open");
    if (menu && !menu.contains(target) && target.popoverTargetElement !== menu) menu.hidePopover();
  });

  // An address typed into one form need not be typed again into the one that unfolds.
  document.addEventListener("toggle", (event) => {
    for (const field of event.target.querySelectorAll?.("[data-same-as]") ?? []) {
      field.value ||= document.querySelector(field.dataset.sameAs).value;
    }
  }, true);

  /** Something that a stray click would lose. */
  const isTyped = () => [...dialogBody().querySelectorAll("input, textarea:not([readonly])")].some((field) => field.value !== field.defaultValue);

  window.addEventListener("beforeunload", (event) => guard()?.dataset.guard && event.preventDefault());

  function keepOpen(event) {
    if (!dialog()?.open || !guard()) return;
    event.preventDefault();
    hint();
  }

  document.addEventListener("keydown", (event) => event.key === "Escape" && keepOpen(event));
  // These two do not bubble.
  document.addEventListener("cancel", keepOpen, true);
  document.addEventListener("close", (event) => event.target === dialog() && afterClose(), true);

  window.addEventListener("pagehide", () => dialogBody()?.replaceChildren());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && document.querySelector("[data-private]")) location.reload();
    document.querySelectorAll("[data-busy]").forEach(setIdle);
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector("[data-scripted]").removeAttribute("hx-disable");
    document.getElementById(location.hash.slice(1))?.focus(); // A page that is loaded again forgets where it was.
    showTheme(savedTheme());
    timeNotices();
    localise();
  });

  // For other scripts; last, as what is above may fail.
  root.dataset.js = "";
  window.portal = { recall, remember, notify, notifyOf, release, setIdle, leave };
}
