// Lists that change by themselves say so when they could not be asked for again; phrases are put into opinions.
"use strict";

(() => {
  const stale = (event) => {
    const place = event.target.closest("[data-stale]");
    return place && document.querySelector(place.dataset.stale);
  };
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => { const said = stale(event); if (said) said.hidden = false; });
  }
  document.addEventListener("htmx:afterSwap", () => {
    for (const said of document.querySelectorAll("#work-stale")) said.hidden = true;
  });

  // a phrase is added to what is written already
  document.addEventListener("change", (event) => {
    const choice = event.target.closest("select[data-phrases]");
    if (!choice || !choice.value) return;
    const into = document.getElementById(choice.dataset.phrases);
    into.value = into.value ? `${into.value}${/[。！？.!?]$/.test(into.value) ? "" : "，"}${choice.value}` : choice.value;
    choice.value = "";
    into.focus();
  });
})();
