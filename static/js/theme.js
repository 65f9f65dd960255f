/* The colours, set before the first paint: as the system, light or dark; and whether there is a script at all. */
"use strict";

{
  const THEMES = ["system", "light", "dark"];
  const root = document.documentElement;

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
  document.addEventListener("DOMContentLoaded", () => showTheme(savedTheme()));
  document.addEventListener("click", (event) => event.target.closest("[data-theme-switch]") && nextTheme());
}
