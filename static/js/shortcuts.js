/* Shortcuts of the API Keys page: single letters, which can be switched off, and which nobody needs. */
"use strict";

{
  const { dialog, dialogBody, openDialog } = window.portal;
  const NAME = "shortcuts";

  function areOn() {
    try {
      return localStorage.getItem(NAME) !== "off";
    } catch {
      return true; // Storage may be off.
    }
  }

  function switchTo(on) {
    try {
      localStorage.setItem(NAME, on ? "on" : "off");
    } catch {
      // The choice then lasts for as long as the dialog.
    }
  }

  function showList() {
    dialogBody().replaceChildren(document.getElementById("shortcuts").content.cloneNode(true));
    dialogBody().querySelector("[data-shortcuts-on]").checked = areOn();
    openDialog();
  }

  /** In the consumer where the focus is, or in the first one; a newcomer's button stands by itself. */
  function create() {
    const here = document.activeElement.closest("[data-consumer]") ?? document.getElementById("main");
    here.querySelector("form[action$='/create/'] button")?.click();
  }

  function go(step) {
    const rows = [...document.querySelectorAll("[data-key]")].filter((row) => row.checkVisibility());
    const here = rows.indexOf(document.activeElement.closest("[data-key]"));
    const next = here < 0 && step < 0 ? rows.length - 1 : here + step;
    rows[next]?.focus();
    rows[next]?.scrollIntoView({ block: "nearest" });
  }

  const SHORTCUTS = {
    "?": showList,
    "/": () => document.getElementById("find")?.focus(),
    c: create,
    j: () => go(1),
    k: () => go(-1),
  };

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
    if (isTyping || dialog().open || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (!Object.hasOwn(SHORTCUTS, event.key) || !areOn()) return;
    event.preventDefault();
    SHORTCUTS[event.key]();
  });

  document.addEventListener("click", (event) => event.target.closest("[data-shortcuts]") && showList());
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-shortcuts-on]")) switchTo(event.target.checked);
  });
}
