/* Colours: as the system, light or dark. Small and not deferred, so that the chosen ones are there at the first paint.

Without this file pages follow the system. */
"use strict";

{
  const THEMES = ["system", "light", "dark"];
  const root = document.documentElement;

  function saved() {
    try {
      const theme = localStorage.getItem("theme");
      return THEMES.includes(theme) ? theme : "system";
    } catch {
      return "system"; // Storage may be off.
    }
  }

  function show(theme) {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.ariaLabel = button.title = button.dataset[`label${theme[0].toUpperCase()}${theme.slice(1)}`];
    }
  }

  function next() {
    const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    show(theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // The choice then lasts for this page.
    }
  }

  root.dataset.js = ""; // What needs no script is hidden, what needs one is shown: see components.css.
  show(saved());
  document.addEventListener("DOMContentLoaded", () => show(saved()));
  document.addEventListener("click", (event) => event.target.closest("[data-theme-switch]") && next());
}
