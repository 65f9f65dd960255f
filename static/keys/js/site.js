/* What every page does beyond plain HTML and htmx. Without this file every page still works. */
"use strict";

{
  const SKELETON_AFTER = 200;

  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const dialog = () => byId("dialog");
  const dialogBody = () => byId("dialog-body");
  const word = (name) => byId("words").dataset[name];

  /** What this browser remembers; where storage is off, a choice lasts for the page. */
  function storage() {
    try {
      return localStorage ?? {};
    } catch {
      return {};
    }
  }

  const kept = storage();

  /* Colours, of a phone's address bar too: as the system, light or dark; "theme" is the name of Django admin's own */

  const THEMES = ["system", "light", "dark"];

  function showTheme(theme = kept["portal-theme"] ?? "system") {
    if (theme !== "system") root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.ariaLabel = button.title = button.dataset[theme];
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
    kept["portal-theme"] = theme;
  }

  showTheme();

  /* Notices */

  /** Where it is seen and heard: everything behind an open dialog is neither. */
  function show(notice) {
    byId(dialog().open ? "dialog-notices" : "notices").replaceChildren(notice);
    notice.scrollIntoView({ block: "nearest" });
  }

  /** The words are a text or an element. */
  function notify(words, level = "success") {
    const notice = byId(`notice-${level}`).content.firstElementChild.cloneNode(true);
    if (words.nodeType) notice.querySelector("p").replaceWith(words);
    else notice.querySelector("p").textContent = words;
    show(notice);
  }

  /** The error in an HTML answer: a notice as it is, the words of a page as one. */
  function notifyOf(html) {
    const error = new DOMParser().parseFromString(html, "text/html").querySelector("[data-error]");
    if (error?.matches("[data-notice]")) return show(error);
    const words = document.createElement("div");
    words.append(...(error?.querySelectorAll("h1, p") ?? [word("oddAnswer")]));
    notify(words, "error");
  }

  // Good news goes after a while, as the stylesheet says; errors stay until they are dismissed.
  document.addEventListener("animationend", ({ target }) => target.matches("[data-notice]") && target.remove());

  /* The dialog */

  let opener = {}; // The part of the page that opened it, ids of what may have the focus afterwards, and the key made.
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
    opener.made = dialogBody().querySelector("[data-made]")?.dataset.made;
    const field = "input:not([type=checkbox], [type=radio]:not(:checked))";
    const places = ["[aria-invalid=true]", `h2[tabindex], ${field}, textarea, a[data-close]`]
      .flatMap((selectors) => [...dialogBody().querySelectorAll(selectors)]);
    places.find((place) => place.checkVisibility())?.focus();
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
      return hint();
    }
    if (slow.place === dialogBody()) slow.xhr.abort();
    dialogBody().replaceChildren();
    byId("dialog-notices").replaceChildren();
    if (isStale && opener.made) location.hash = opener.made;
    if (isStale) location.reload();
    else restoreFocus();
  }

  function rememberOpener(part) {
    if (part.closest("dialog") || !part.matches("form, [formaction], [data-key] [name=ask], a")) return;
    const row = part.closest("[data-key]");
    opener = {
      part: part.querySelector("button") ?? part,
      row: row?.id,
      around: part.href ? "" : part.closest("[data-key], [data-consumer], #key-card")?.id,
      next: (part.href ? row : (row?.nextElementSibling ?? row?.previousElementSibling))?.id,
      consumer: part.closest("[data-consumer]")?.id,
    };
  }

  /** To the key just made, or the button that was used; else to one beside it, the next row, its consumer, the page. */
  function restoreFocus(isLost = opener.part) {
    if (!isLost || document.activeElement !== document.body) return;
    const around = byId(opener.around);
    const again = [...(around?.querySelectorAll("button") ?? [])]
      .find((button) => button.textContent === opener.part.textContent);
    const places = [
      byId(opener.made),
      opener.part,
      again ?? byId(opener.part?.id),
      around?.querySelector("[data-hide], [popovertarget]"),
      byId(opener.next),
      byId(opener.consumer),
      document.querySelector("[data-main]"),
    ];
    places.find((place) => place?.checkVisibility()).focus();
  }

  /** A key that is gone, deleted in another tab for instance, leaves the list; false where this is about none. */
  function leave(part) {
    const row = part.closest("#dialog") ? byId(opener.row) : part.closest("[data-key]");
    if (!row) return false;
    rememberOpener(part);
    row.remove();
    restoreFocus();
    document.body.dispatchEvent(new Event("keys:changed"));
    closeDialog();
    notify(word("keyGone"));
    return true;
  }

  /* A page or a dialog that is slow to come: its shape in its place, with what is known of it */

  let slow = {};

  function expect({ elt: part, target: place, xhr, requestConfig }) {
    const isDialog = place === dialogBody();
    const shape = byId(isDialog ? "dialog-skeleton" : "skeleton");
    if (!shape || requestConfig.verb !== "get" || dialog().open) return;
    if (!place.matches("[data-main], #found, #dialog-body")) return;
    if (slow.place?.matches("#found")) arrived(slow.xhr); // A search goes on.
    else slow.xhr?.abort(); // Of two presses the last one counts.
    const draw = () => {
      place.ariaBusy = "true";
      place.append(shape.content.cloneNode(true));
      if (isDialog) openEarly(part);
    };
    slow = { xhr, place, timer: setTimeout(draw, SKELETON_AFTER) };
  }

  function openEarly(part) {
    const [title, lead] = dialogBody().querySelectorAll("h2, .dialog-lead");
    const owner = part.closest("[role=group], [aria-labelledby]");
    title.textContent = part.textContent;
    lead.textContent = owner?.ariaLabel ?? byId(owner?.getAttribute("aria-labelledby"))?.textContent;
    dialogBody().firstElementChild.classList.toggle("key-panel", part.matches("[data-key] a"));
    openDialog();
  }

  function arrived(xhr) {
    if (xhr !== slow.xhr) return; // Other answers may come before.
    clearTimeout(slow.timer);
    slow.place.ariaBusy = null;
    slow.place.querySelector("[data-skeleton]")?.remove();
    slow = {};
    if (dialog().open && !dialogBody().firstElementChild) dialog().close();
  }

  /* Times in the visitor's own zone and manner; pages come with UTC until a cookie tells the zone */

  const cookie = document.querySelector("[name=time-zone-cookie]").content;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const secure = location.protocol === "https:" ? ";secure" : "";
  document.cookie = `${cookie}=${zone};path=/;max-age=31536000;samesite=lax${secure}`;

  const DAY = { day: "numeric", month: "short", year: "numeric" };
  const CLOCK = { hour: "numeric", minute: "2-digit" };
  const FORMS = { day: DAY, clock: CLOCK, "": { ...DAY, ...CLOCK, timeZoneName: "short" } };

  /** "3 days ago" stays; the exact time stands in its tooltip, and behind it for screen readers. */
  function localise() {
    const language = document.querySelector("[data-scripted]").lang || root.lang || "en";
    const manner = navigator.languages.find((one) => one.split("-")[0] === language.split("-")[0]) ?? language;
    const forms = {};
    for (const element of document.querySelectorAll("time[data-time]:not([data-local])")) {
      element.dataset.local = "";
      const form = element.dataset.time;
      forms[form] ??= new Intl.DateTimeFormat(manner, FORMS[form]);
      const words = forms[form].format(new Date(element.dateTime));
      const behind = element.querySelector("span");
      if (behind) [element.title, behind.textContent] = [words, ` (${words})`];
      else element.textContent = words;
    }
  }

  /* Buttons at work: pressed again they do nothing */

  function setIdle(part) {
    for (const button of [part, ...part.querySelectorAll("[aria-busy]")]) button.ariaBusy = null;
  }

  // The Enter key in a field clicks the button of its form, too.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const wouldLeave = button?.type === "submit" && button.closest("[data-guard]");
    if (!button?.closest("[data-scripted]") || !(button.ariaBusy || wouldLeave)) return;
    event.preventDefault();
    event.stopPropagation();
    if (wouldLeave) hint();
  }, true);

  document.addEventListener("submit", ({ target: form, submitter: button }) => {
    if (button && form.method !== "dialog" && form.closest("[data-scripted]")) button.ariaBusy = "true";
  });

  /* What htmx tells */

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const button = detail.elt;
    if (button.matches("[form=ask], [form=act]")) detail.path = button.getAttribute("formaction");
    // In a row a button names a verb behind the address of its form.
    if (button.matches("[data-key] [name=ask]")) detail.path = `${button.form.getAttribute("action")}${button.value}/`;
  });
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (detail.elt.matches("button")) detail.elt.ariaBusy = "true";
    rememberOpener(detail.elt);
    expect(detail);
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    setIdle(detail.elt);
    arrived(detail.xhr);
  });
  for (const told of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(told, () => notify(word("noAnswer"), "error"));
  }
  document.addEventListener("htmx:responseError", ({ detail: { elt, xhr } }) => {
    arrived(xhr);
    if (xhr.status !== 404 || !leave(elt)) notifyOf(xhr.responseText);
  });
  for (const told of ["page:stale", "htmx:oobErrorNoTarget"]) document.addEventListener(told, () => (isStale = true));
  document.addEventListener("dialog:close", () => {
    release();
    closeDialog();
  });

  // What was said in the dialog was about the answer before.
  document.addEventListener("htmx:beforeSwap", () => byId("dialog-notices").replaceChildren());
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    if (detail.target.querySelector(".ended[open]")) detail.fragment.querySelector(".ended")?.setAttribute("open", "");
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target === dialogBody() && dialogBody().firstElementChild) openDialog();
  });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    localise();
    if (dialog().open) return;
    if (isStale) location.reload();
    if (detail.target.matches("[data-main]")) document.querySelector("[data-main] h1").focus();
    else restoreFocus();
  });

  /* What people do */

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

  /** Something that a stray click would lose. */
  function isTyped() {
    const fields = dialogBody().querySelectorAll("input, textarea:not([readonly])");
    return [...fields].some((field) => field.value !== field.defaultValue);
  }

  // A menu that the keyboard has left would lie over what comes next.
  document.addEventListener("focusin", ({ target }) => {
    const menu = document.querySelector(".menu-items:popover-open");
    if (menu && !menu.contains(target) && target.popoverTargetElement !== menu) menu.hidePopover();
  });

  // An address typed into one form need not be typed again into the one that unfolds.
  document.addEventListener("toggle", ({ target }) => {
    for (const field of target.querySelectorAll?.("[data-same-as]") ?? []) {
      field.value ||= document.querySelector(field.dataset.sameAs).value;
    }
  }, true);

  function keepOpen(event) {
    if (!dialog()?.open || !guard()) return;
    event.preventDefault();
    hint();
  }

  document.addEventListener("keydown", (event) => event.key === "Escape" && keepOpen(event));
  document.addEventListener("cancel", keepOpen, true);
  document.addEventListener("close", (event) => event.target === dialog() && afterClose(), true);

  /* Pages that come and go */

  window.addEventListener("beforeunload", (event) => guard()?.dataset.guard && event.preventDefault());
  window.addEventListener("pagehide", () => dialogBody()?.replaceChildren());
  window.addEventListener("pageshow", ({ persisted }) => {
    if (persisted && document.querySelector("[data-private]")) location.reload();
    if (persisted) document.querySelectorAll("[aria-busy]").forEach(setIdle);
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector("[data-scripted]").removeAttribute("hx-disable");
    byId(location.hash.slice(1))?.focus(); // A page that is loaded again forgets where it was.
    showTheme();
    localise();
    // A filter that was chosen before anybody heard of it.
    document.querySelector(".filters option:checked:not(:default)")?.form.requestSubmit();
  });

  // For other scripts; last, as what is above may fail.
  root.dataset.js = "";
  window.portal = { kept, notify, notifyOf, release, leave };
}
