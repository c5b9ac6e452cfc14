// Pages of cases: news does not take away what is open under one's hands; a letter is sent when its time to think is over.
"use strict";

(() => {
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    if (!target || target.id !== "case") return;
    const busy = target.querySelector("details.menu[open], details.reveal[open]");
    if (busy) event.detail.shouldSwap = false;
  });

  const form = document.querySelector("form[data-countdown]");
  if (!form) return;
  const shown = form.querySelector("[data-left]");
  form.querySelector("[data-after]").hidden = false;
  const end = Date.now() + Number(form.dataset.countdown) * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    if (shown && shown.textContent !== String(left)) shown.textContent = String(left);
    if (left > 0) return;
    window.clearInterval(timer);
    form.requestSubmit(form.querySelector("button[type=submit]"));
  };
  const timer = window.setInterval(tick, 200);
  form.addEventListener("submit", () => window.clearInterval(timer));
  // gone is gone: what comes back out of the browser's memory asks anew
  window.addEventListener("pagehide", () => window.clearInterval(timer));
})();
