/* Ready requests: their languages as tabs, and the key that stands in them. */
"use strict";

{
  const NAME = "request-language";

  function saved() {
    try {
      return localStorage.getItem(NAME);
    } catch {
      return null; // Storage may be off.
    }
  }

  function save(language) {
    try {
      localStorage.setItem(NAME, language);
    } catch {
      // The choice then lasts for this page.
    }
  }

  /* Tabs: sections with headings, which is what they are without a script */

  function makeTabs(place) {
    place.dataset.ready = "";
    const panels = [...place.querySelectorAll("[data-tab]")];
    const list = document.createElement("div");
    list.className = "tab-list";
    list.role = "tablist";
    list.ariaLabel = place.ariaLabel;
    place.removeAttribute("aria-label");
    for (const panel of panels) {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.role = "tab";
      tab.id = `tab-${panel.dataset.tab}`;
      tab.textContent = panel.querySelector("h3").textContent;
      tab.setAttribute("aria-controls", panel.id);
      panel.role = "tabpanel";
      panel.setAttribute("aria-labelledby", tab.id);
      panel.querySelector("h3").hidden = true;
      list.append(tab);
    }
    place.prepend(list);
    show(panels.find((panel) => panel.dataset.tab === saved()) ?? panels[0]);
  }

  function show(chosen) {
    for (const panel of chosen.parentElement.querySelectorAll("[data-tab]")) {
      const tab = document.getElementById(panel.getAttribute("aria-labelledby"));
      panel.hidden = panel !== chosen;
      tab.ariaSelected = panel === chosen;
      tab.tabIndex = panel === chosen ? 0 : -1;
    }
  }

  function choose(tab) {
    const panel = document.getElementById(tab.getAttribute("aria-controls"));
    show(panel);
    save(panel.dataset.tab);
    tab.focus();
  }

  function move(tab, key) {
    const tabs = [...tab.parentElement.children];
    const here = tabs.indexOf(tab);
    const places = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: -1 };
    if (!(key in places)) return false;
    choose(tabs.at(places[key] % tabs.length));
    return true;
  }

  /* The key: any of those in the rows above that can be copied */

  function keysInRows() {
    return [...document.querySelectorAll("[data-key] form[data-copy]")].map((form) => {
      const row = form.closest("[data-key]");
      return {
        url: form.getAttribute("action"),
        label: row.querySelector("strong").textContent,
        masked: row.dataset.masked ?? row.querySelector("[data-value]").textContent,
        group: form.closest("[data-consumer]").querySelector("h2").textContent,
      };
    });
  }

  function offerKeys() {
    const choice = document.querySelector("[data-key-choice]");
    if (!choice) return;
    const before = choice.value;
    const keys = keysInRows();
    choice.closest("[data-quickstart]").hidden = !keys.length;
    const groups = new Map();
    for (const { url, label, masked, group } of keys) {
      if (!groups.has(group)) groups.set(group, Object.assign(document.createElement("optgroup"), { label: group }));
      const option = new Option(`${label} ${masked.slice(-8)}`, url, false, url === before);
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
    for (const form of place.querySelectorAll("[data-of-key]")) {
      form.setAttribute("action", option.value.replace(/copy\/$/, `${form.dataset.ofKey}/`));
    }
  }

  function prepare() {
    document.querySelectorAll("[data-tabs]:not([data-ready])").forEach(makeTabs);
    offerKeys();
  }

  prepare();
  document.addEventListener("htmx:afterSettle", prepare);
  document.addEventListener("htmx:oobAfterSwap", offerKeys);
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.elt.matches("[data-of-key]")) detail.path = detail.elt.getAttribute("action");
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-key-choice]")) return;
    useKey(event.target);
    document.getElementById("trial")?.replaceChildren(); // It was about another key.
  });
  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab && move(tab, event.key)) event.preventDefault();
  });
}
