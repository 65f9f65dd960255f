/* The key and the language of ready requests, and shortcuts. */
"use strict";

{
  const { kept } = window.portal;
  const LANGUAGE = "request-language";
  const SHORTCUTS_ARE = "shortcuts";

  /* Ready requests: in the language that was chosen last, with any of the keys above that can be copied */

  function setUp() {
    const language = CSS.escape(kept[LANGUAGE]);
    for (const one of document.querySelectorAll(`[name$=request-language][value="${language}"]`)) one.checked = true;
    const choice = document.querySelector("[data-key-choice]");
    if (!choice) return;
    const before = choice.value;
    choice.replaceChildren();
    for (const consumer of document.querySelectorAll("[data-consumer]")) {
      const group = document.createElement("optgroup");
      group.label = consumer.querySelector("h2").textContent;
      for (const button of consumer.querySelectorAll("[data-key] [data-copy]")) {
        const url = button.getAttribute("formaction");
        const row = button.closest("[data-key]");
        const masked = row.dataset.masked ?? row.querySelector("[data-value]").textContent;
        const name = `${row.querySelector("strong").textContent} ${masked.slice(-8)}`;
        const option = new Option(name, url, false, url === before);
        option.dataset.masked = masked;
        group.append(option);
      }
      if (group.firstChild) choice.append(group);
    }
    choice.closest("[data-quickstart]").hidden = !choice.length;
    if (choice.length) useKey(choice);
  }

  function useKey(choice) {
    const [option] = choice.selectedOptions;
    const place = choice.closest("[data-quickstart]");
    for (const text of place.querySelectorAll("[data-place]")) text.textContent = option.dataset.masked;
    for (const button of place.querySelectorAll("[data-of-key]")) {
      button.setAttribute("formaction", option.value.replace(/copy\/$/, `${button.dataset.ofKey}/`));
    }
  }

  setUp();
  document.addEventListener("htmx:afterSettle", setUp);
  document.addEventListener("change", ({ target }) => {
    if (target.name?.endsWith("request-language")) kept[LANGUAGE] = target.value;
    if (!target.matches("[data-key-choice]")) return;
    useKey(target);
    document.getElementById("trial")?.replaceChildren(); // It was about another key.
  });

  // On a phone a menu takes in what is beside it.
  document.addEventListener("beforetoggle", ({ target: menu }) => {
    if (!menu.matches(".menu-items") || !matchMedia("(width < 40rem)").matches) return;
    const beside = menu.parentElement.querySelectorAll(":scope > .wide");
    for (const button of beside) button.className = "";
    menu.prepend(...beside);
  }, true);

  /* Shortcuts: single letters, which can be switched off; on a page of one verb there are none */

  const list = document.getElementById("shortcuts");
  const areOn = list?.querySelector("[data-shortcuts-on]");
  if (areOn) areOn.checked = kept[SHORTCUTS_ARE] !== "off";
  areOn?.addEventListener("change", () => (kept[SHORTCUTS_ARE] = areOn.checked ? "on" : "off"));

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
    const fields = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]";
    const isTyping = event.target.closest(fields);
    const isCovered = document.querySelector("dialog:is([open], :popover-open)");
    if (isTyping || isCovered || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (!Object.hasOwn(SHORTCUTS, event.key) || !areOn?.checked) return;
    event.preventDefault();
    SHORTCUTS[event.key]();
  });
}
