/* The key and the language of ready requests, and shortcuts. */
"use strict";

{
  const { kept } = window.portal;

  /* Ready requests: in the language that was chosen last, with any of the keys above that can be copied */

  function setUp() {
    const language = CSS.escape(kept["request-language"]);
    for (const one of document.querySelectorAll(`[name$=request-language][value="${language}"]`)) one.checked = true;
    const choice = document.querySelector("[data-key-choice]");
    if (!choice) return;
    const before = choice.value;
    choice.replaceChildren();
    for (const consumer of document.querySelectorAll("[data-consumer]:has([data-key] [data-copy])")) {
      const group = choice.appendChild(document.createElement("optgroup"));
      group.label = consumer.querySelector("h2").textContent;
      for (const row of consumer.querySelectorAll("[data-key]:has([data-copy])")) {
        const name = `${row.querySelector("strong").textContent} ${maskOf(row).slice(-8)}`;
        group.append(new Option(name, row.id, false, row.id === before));
      }
    }
    choice.closest("[data-quickstart]").hidden = !choice.length;
    if (choice.length) useKey(choice);
  }

  const maskOf = (row) => row.dataset.masked ?? row.querySelector("[data-value]").textContent;

  function useKey(choice) {
    const row = document.getElementById(choice.value);
    const copy = row.querySelector("[data-copy]").getAttribute("formaction");
    const place = choice.closest("[data-quickstart]");
    for (const text of place.querySelectorAll("[data-place]")) text.textContent = maskOf(row);
    for (const button of place.querySelectorAll("[data-of-key]")) {
      button.setAttribute("formaction", copy.replace(/copy\/$/, `${button.dataset.ofKey}/`));
    }
  }

  setUp();
  for (const told of ["htmx:afterSettle", "keys:changed"]) document.addEventListener(told, setUp, true);
  document.addEventListener("change", ({ target }) => {
    if (target.name?.endsWith("request-language")) kept["request-language"] = target.value;
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
  if (areOn) areOn.checked = kept.shortcuts !== "off";
  areOn?.addEventListener("change", () => (kept.shortcuts = areOn.checked ? "on" : "off"));

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
