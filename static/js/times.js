/* Times in the visitor's own zone and manner: pages are served with UTC, which stays where there is no script. */
"use strict";

{
  const language = document.documentElement.lang || "en";
  const manner = navigator.languages.find((one) => one.split("-")[0] === language.split("-")[0]) ?? language;
  const exact = new Intl.DateTimeFormat(manner, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  });

  /** "3 days ago" stays; the exact time stands in its tooltip, and behind it for screen readers. */
  function localise() {
    for (const element of document.querySelectorAll("time[data-time]:not([data-local])")) {
      const moment = new Date(element.dateTime);
      if (isNaN(moment)) continue;
      element.dataset.local = "";
      const words = exact.format(moment);
      const behind = element.querySelector(".visually-hidden");
      if (!behind) element.textContent = words;
      else {
        element.title = words;
        behind.textContent = ` (${words})`;
      }
    }
  }

  localise();
  document.addEventListener("htmx:afterSettle", localise);
  document.addEventListener("htmx:oobAfterSwap", localise);
}
