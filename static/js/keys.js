/* What the pages about keys do: copy, mask again, ready requests, shortcuts.

A full key is only ever in the text of one element, or on its way to the clipboard: never in an attribute, in
storage or in the history. */
"use strict";

{
  const { recall, remember, word, notify, notifyOf } = window.portal;
  const { dialog, dialogBody, openDialog, rememberOpener, release, setIdle } = window.portal;
  const SHOWN_FOR = 60_000;
  const ANSWER_WITHIN = 20_000;
  const LANGUAGE = "request-language";
  const SHORTCUTS_ARE = "shortcuts";
  const NEEDS_NO_QUOTES = /^[\w.~+/=:-]+$/;

  /* Copy: the key goes from the answer to the clipboard and is not shown */

  class Refusal extends Error {
    constructor(html) {
      super("The portal refused");
      this.html = html;
    }
  }

  function sayCopied(button) {
    button.dataset.label ??= button.textContent;
    button.textContent = word("copied");
    setTimeout(() => (button.textContent = button.dataset.label), 2_000);
  }

  async function askForKey(form) {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { "HX-Request": "true", "HX-Current-URL": location.href, Accept: "text/plain" },
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    const elsewhere = response.headers.get("HX-Redirect");
    if (elsewhere) {
      location.assign(elsewhere);
      return new Promise(() => {}); // The page is about to go.
    }
    const text = await response.text();
    if (response.ok && response.headers.get("Content-Type")?.startsWith("text/plain")) return text;
    throw new Refusal(text);
  }

  /** What is copied and what is said then: the key itself, or the ready request that the form names, with the key. */
  function filled(form, key) {
    if (!form.dataset.copy) return { text: key, said: "keyCopied" };
    if (!NEEDS_NO_QUOTES.test(key)) return { text: key, said: "onlyTheKey" };
    const code = document.querySelector(form.dataset.copy).cloneNode(true);
    code.querySelector("[data-place]").textContent = key;
    return { text: code.textContent.trim() + "\n", said: "requestCopied" };
  }

  /** Starts in the click itself: Safari gives the clipboard to nobody who waits first. */
  async function toClipboard(promise) {
    if (window.ClipboardItem) {
      const blob = promise.then((text) => new Blob([text], { type: "text/plain" }));
      blob.catch(() => {}); // Whoever waits for the promise itself hears of it.
      try {
        return await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      } catch {
        // Not every browser takes a promise.
      }
    }
    return navigator.clipboard.writeText(await promise);
  }

  async function copyKey(form, button) {
    const asked = askForKey(form).then((key) => filled(form, key));
    const copied = toClipboard(asked.then(({ text }) => text)).then(() => true, () => false);
    try {
      const { text, said } = await asked;
      if (await copied) {
        sayCopied(button);
        notify(word(said));
      } else {
        rememberOpener(form);
        copyByHand(text);
      }
    } catch (problem) {
      if (problem instanceof Refusal) notifyOf(problem.html);
      else notify(word("noAnswer"), "error");
    } finally {
      setIdle(form);
    }
  }

  function copyByHand(text) {
    dialogBody().replaceChildren(document.getElementById("copy-by-hand").content.cloneNode(true));
    const field = dialogBody().querySelector("[data-value]");
    field.value = text;
    openDialog();
    field.select();
    startCountdowns();
  }

  async function copyFrom(button) {
    const source = document.querySelector(button.dataset.copyFrom);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
      sayCopied(button);
      release();
    } catch {
      getSelection().selectAllChildren(source);
      source.select?.();
      notify(word("copyByHand"), "error");
    }
  }

  /* Revealed keys are masked again after a minute, and whenever nobody looks */

  function startCountdowns() {
    for (const element of document.querySelectorAll("[data-revealed]:not([data-counting])")) {
      element.dataset.counting = "";
      const end = Date.now() + SHOWN_FOR;
      const tick = () => {
        const seconds = Math.ceil((end - Date.now()) / 1000);
        if (seconds <= 0) mask(element);
        if (seconds <= 0 || !element.isConnected) clearInterval(timer);
        const countdown = element.querySelector("[data-countdown]");
        if (countdown) countdown.textContent = word("hidesIn").replace("{seconds}", seconds);
      };
      const timer = setInterval(tick, 1000);
      tick();
    }
  }

  function mask(element) {
    if (element.closest("dialog")) {
      dialog().close();
      dialogBody().replaceChildren();
      return;
    }
    element.querySelector("[data-value]").textContent = element.dataset.masked;
    element.querySelector("[data-countdown]")?.remove();
    const reveal = element.querySelector("[data-reveal]");
    const hide = element.querySelector("[data-hide]");
    reveal.hidden = false;
    if (hide === document.activeElement) reveal.querySelector("button").focus();
    hide?.remove();
    delete element.dataset.revealed;
  }

  function maskAll() {
    document.querySelectorAll("[data-revealed]").forEach(mask);
  }

  document.addEventListener("htmx:afterSettle", startCountdowns);
  document.addEventListener("visibilitychange", () => document.hidden && maskAll());
  window.addEventListener("pagehide", maskAll);

  /* What people do */

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-copy]")) return;
    event.preventDefault();
    copyKey(event.target, event.submitter ?? event.target.querySelector("button"));
  });

  document.addEventListener("click", (event) => {
    const part = (selector) => event.target.closest(selector);
    if (part("[data-hide]")) mask(part("[data-revealed]"));
    if (part("[data-copy-from]")) copyFrom(part("[data-copy-from]"));
  });

  /* Ready requests: their languages as tabs; without a script they are sections with headings */

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
    show(panels.find((panel) => panel.dataset.tab === recall(LANGUAGE)) ?? panels[0]);
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
    remember(LANGUAGE, panel.dataset.tab);
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

  /* Shortcuts: single letters, which can be switched off, and which nobody needs */

  /** On a page of one verb there are none. */
  const areOn = () => document.getElementById("shortcuts") && recall(SHORTCUTS_ARE) !== "off";

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
    if (event.target.matches("[data-shortcuts-on]")) remember(SHORTCUTS_ARE, event.target.checked ? "on" : "off");
  });
}
