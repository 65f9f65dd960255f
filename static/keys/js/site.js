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
  let kept = {};
  try {
    kept = localStorage ?? kept;
  } catch {}

  /* Colours, of a phone's address bar too: as the system, light or dark; "theme" is the name of Django admin's own */

  const THEMES = ["light", "dark", "system"];

  function showTheme() {
    const theme = kept["portal-theme"] ?? "system";
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.ariaLabel = button.title = button.dataset[theme];
    }
    for (const bar of document.querySelectorAll("[name=theme-color]")) {
      const asked = (bar.dataset.media ??= bar.media);
      bar.media = theme === "system" ? asked : asked.includes(theme) ? "all" : "not all";
    }
  }

  function nextTheme() {
    kept["portal-theme"] = root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    showTheme();
  }

  if (kept["portal-theme"]) root.dataset.theme = kept["portal-theme"];
  showTheme();

  /* Notices */

  /** Where it is seen and heard: everything behind an open dialog is neither. */
  function show(notice) {
    byId(dialog().open ? "dialog-notices" : "notices").replaceChildren(notice);
    notice.scrollIntoView({ block: "nearest" });
  }

  /** The words are texts or elements. */
  function notify(level, ...words) {
    const notice = byId(`notice-${level}`).content.firstElementChild.cloneNode(true);
    notice.querySelector("div").replaceChildren(...words);
    show(notice);
  }

  /** The error in an HTML answer: a notice as it is, the words of a page as one. */
  function notifyOf(html) {
    const error = new DOMParser().parseFromString(html, "text/html").querySelector("[data-error]");
    if (error?.matches("[data-notice]")) show(error);
    else notify("error", ...(error?.querySelectorAll("h1, p") ?? [word("oddAnswer")]));
  }

  // Good news goes after a while, as the stylesheet says; errors stay until they are dismissed.
  document.addEventListener("animationend", ({ target }) => target.matches("[data-notice]") && target.remove());

  /* The dialog */

  let opener; // What was used last on the page. Once replaced it still has its old surroundings, and their ids.
  let made; // The id of the key that was made since then.
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
    made = dialogBody().querySelector("[data-made]")?.dataset.made;
    const field = "input:not([type=checkbox], [type=radio]:not(:checked))";
    const places = ["[aria-invalid=true]", `h2[tabindex], ${field}, textarea, a[data-close]`]
      .flatMap((selectors) => [...dialogBody().querySelectorAll(selectors)]);
    places.find((place) => place.checkVisibility())?.focus();
    dialog().scrollTop = 0;
  }

  function closeDialog(isMeant) {
    if (isMeant) release();
    if (guard()) hint();
    else dialog().close();
  }

  function afterClose() {
    if (dialog().open) return closeDialog(); // An answer that came meanwhile has opened it anew.
    if (guard()) {
      dialog().showModal(); // Some browsers close on a second Esc whatever the page says.
      return hint();
    }
    if (slow.place === dialogBody()) slow.xhr.abort();
    dialogBody().replaceChildren();
    byId("dialog-notices").replaceChildren();
    if (isStale && made) location.hash = made;
    if (isStale) location.reload();
    else restoreFocus();
  }

  /** What an answer has put in its place. */
  const anew = (place) => byId(place?.id);

  /** To what was used or the key just made; else to a button beside it, its row, the next, its consumer, the page. */
  function restoreFocus() {
    const row = opener?.closest("[data-key]");
    const card = opener?.closest("[data-consumer], #key-card");
    const around = opener?.href ? null : anew(row ?? card);
    const again = [...(around?.querySelectorAll("button") ?? [])]
      .find((button) => button.textContent === opener.textContent);
    const places = [
      opener,
      byId(made),
      again ?? anew(opener),
      around?.querySelector("[data-revealed] [data-hide], [popovertarget]"),
      ...[row, row?.nextElementSibling, row?.previousElementSibling, card].map(anew),
      document.querySelector("[data-main]"),
    ];
    for (const place of places) {
      if (document.activeElement === document.body) place?.focus();
    }
  }

  /** Says why a part was refused; a key that is gone, deleted in another tab for instance, leaves the list. */
  function explain(part, status, html) {
    const row = part.closest("#dialog") ? anew(opener?.closest("[data-key]")) : part.closest("[data-key]");
    if (status !== 404 || !row) return notifyOf(html);
    opener = row.nextElementSibling ?? row.previousElementSibling ?? row.closest("[data-consumer], [data-main]");
    row.remove();
    restoreFocus();
    document.body.dispatchEvent(new Event("keys:changed"));
    closeDialog();
    notify("success", word("keyGone"));
  }

  /* A page or a dialog that is slow to come: its shape in its place, with what is known of it */

  let slow = {};

  function expect({ elt: part, target: place, xhr, requestConfig }) {
    const shape = byId(place === dialogBody() ? "dialog-skeleton" : "skeleton");
    if (!shape || requestConfig.verb !== "get" || dialog().open) return;
    if (!place.matches("[data-main], #found, #dialog-body")) return;
    if (slow.place?.matches("#found")) arrived(slow.xhr); // A search goes on.
    else slow.xhr?.abort(); // Of two presses the last one counts.
    slow = { xhr, place, timer: setTimeout(draw, SKELETON_AFTER, shape, place, part) };
  }

  function draw(shape, place, part) {
    place.ariaBusy = "true";
    place.append(shape.content.cloneNode(true));
    if (place !== dialogBody()) return;
    const [title, lead] = place.querySelectorAll("h2, .dialog-lead");
    const owner = part.closest("[role=group], [aria-labelledby]");
    title.textContent = part.textContent;
    lead.textContent = owner?.ariaLabel ?? byId(owner?.getAttribute("aria-labelledby"))?.textContent;
    place.firstElementChild.classList.toggle("key-panel", part.matches("[data-key] a"));
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

  /* Times in the visitor's zone and manner; pages come with UTC until a cookie tells it. Django admin stays in UTC */

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
    for (const element of document.querySelectorAll("time[data-time]:not([data-local], [data-utc] *)")) {
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

  document.addEventListener("htmx:configRequest", ({ target: button, detail }) => {
    if (button.matches("[form=ask], [form=act]")) detail.path = button.getAttribute("formaction");
    // In a row a button names a verb behind the address of its form.
    if (button.matches("[data-key] [name=ask]")) detail.path = `${button.form.getAttribute("action")}${button.value}/`;
  });
  document.addEventListener("htmx:beforeRequest", ({ target: part, detail }) => {
    if (part.matches("button")) part.ariaBusy = "true";
    expect(detail);
    if (part.closest("dialog") || !part.matches("form, [formaction], [data-key] [name=ask], a")) return;
    opener = part.querySelector("button") ?? part;
    made = "";
  });
  document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr, requestConfig } }) => {
    (requestConfig.triggeringEvent?.submitter ?? elt).ariaBusy = null;
    arrived(xhr);
  });
  for (const told of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(told, () => notify("error", word("noAnswer")));
  }
  document.addEventListener("htmx:responseError", ({ detail: { elt, xhr } }) => {
    arrived(xhr);
    explain(elt, xhr.status, xhr.responseText);
  });
  for (const told of ["page:stale", "htmx:oobErrorNoTarget"]) document.addEventListener(told, () => (isStale = true));
  document.addEventListener("dialog:close", () => closeDialog(true));

  // What was said in the dialog was about the answer before.
  document.addEventListener("htmx:beforeSwap", () => byId("dialog-notices").replaceChildren());
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    if (detail.target.querySelector(".ended[open]")) detail.fragment.querySelector(".ended")?.setAttribute("open", "");
  });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    localise();
    if (detail.target === dialogBody() && dialogBody().firstElementChild) openDialog();
    if (dialog().open) return;
    if (isStale) location.reload();
    if (detail.target.matches("[data-main]")) document.querySelector("[data-main] h1").focus();
    else if (opener) restoreFocus();
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
    if (part("[data-dismiss]")) restoreFocus();
    if (part("[data-close]") && dialog().open) {
      event.preventDefault();
      closeDialog(part("[data-releases]"));
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
    if (persisted) document.querySelectorAll("[aria-busy]").forEach((part) => (part.ariaBusy = null));
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
  window.portal = { kept, word, notify, explain, release };
}
