/* The key and the language of ready requests, and shortcuts. */
"use strict";

{
  const { recall, remember } = window.portal;
  const LANGUAGE = "request-language";
  const SHORTCUTS_ARE = "shortcuts";

  /* Ready requests: in the language that was chosen last, with any of the keys above that can be copied */

  function setUp() {
    const kept = CSS.escape(recall(LANGUAGE) ?? "");
    for (const one of document.querySelectorAll(`[name$=request-language][value="${kept}"]`)) one.checked = true;
    const choice = document.querySelector("[data-key-choice]");
    if (!choice) return;
    const [before, groups] = [choice.value, new Map()];
    const buttons = document.querySelectorAll("[data-key] [data-copy]");
    choice.closest("[data-quickstart]").hidden = !buttons.length;
    for (const button of buttons) {
      const url = button.getAttribute("formaction");
      const row = button.closest("[data-key]");
      const masked = row.dataset.masked ?? row.querySelector("[data-value]").textContent;
      const group = button.closest("[data-consumer]").querySelector("h2").textContent;
      if (!groups.has(group)) groups.set(group, Object.assign(document.createElement("optgroup"), { label: group }));
      const option = new Option(`${row.querySelector("strong").textContent} ${masked.slice(-8)}`, url, false, url === before);
      option.dataset.masked = masked;
      groups.get(group).append(option);
    }
    choice.replaceChildren(...groups.values());
    useKey(choice);
  }

  function useKey(choice) {
    const option = choice.selectedOptions[0];
    const place = choice.closest("[data-quickstart]");
    if (!option) return;
    for (const text of place.querySelectorAll("[data-place]")) text.textContent = option.dataset.masked;
    for (const button of place.querySelectorAll("[data-of-key]")) {
      button.setAttribute("formaction", option.value.replace(/copy\/$/, `${button.dataset.ofKey}/`));
    }
  }

  setUp();
  for (const told of ["htmx:afterSettle", "htmx:oobAfterSwap"]) document.addEventListener(told, setUp);
  document.addEventListener("change", ({ target }) => {
    if (target.name?.endsWith("request-language")) remember(LANGUAGE, target.value);
    if (!target.matches("[data-key-choice]")) return;
    useKey(target);
    document.getElementById("trial")?.replaceChildren(); // It was about another key.
  });

  document.addEventListener("beforetoggle", ({ target: menu }) => { // On a phone a menu takes in what is beside it.
    if (!menu.matches(".menu-items") || !matchMedia("(width < 40rem)").matches) return;
    menu.prepend(...[...menu.parentElement.querySelectorAll(":scope > .wide")].map((one) => Object.assign(one, { className: "" })));
  }, true);

  /* Shortcuts: single letters, which can be switched off */

  /** On a page of one verb there are none. */
  const list = document.getElementById("shortcuts");
  const areOn = () => list && recall(SHORTCUTS_ARE) !== "off";

  /** In the consumer where the focus is, or in the first one. */
  function create() {
    const here = document.activeElement.closest("[data-consumer]") ?? document.querySelector("[data-main]");
    here.querySelector("[data-create]")?.click();
  }

  function go(step) {
    const rows = [...document.querySelectorAll("[data-key]")].filter((row) => row.checkVisibility());
    const here = rows.indexOf(document.activeElement.closest("[data-key]"));
    rows[here < 0 && step < 0 ? rows.length - 1 : here + step]?.focus();
  }

  const SHORTCUTS = {
    "?": () => list.showPopover(),
    "/": () => document.getElementById("find")?.focus(),
    c: create,
    j: () => go(1),
    k: () => go(-1),
  };

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
    const isCovered = document.querySelector("dialog:is([open], :popover-open)");
    if (isTyping || isCovered || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (!Object.hasOwn(SHORTCUTS, event.key) || !areOn()) return;
    event.preventDefault();
    SHORTCUTS[event.key]();
  });

  const isOn = list?.querySelector("[data-shortcuts-on]");
  if (isOn) isOn.checked = areOn();
  isOn?.addEventListener("change", () => remember(SHORTCUTS_ARE, isOn.checked ? "on" : "off"));
}
