// The page of a draft: fills in what is known, and keeps still while a difference is open.
"use strict";

(() => {
  const body = document.body;

  // what is known of a subject goes where nothing is typed
  const fill = (within) => {
    for (const each of within.querySelectorAll("[data-fill]")) {
      const field = document.querySelector(`[name="${CSS.escape(each.dataset.fill)}"]`);
      each.removeAttribute("data-fill");
      if (!field || field.disabled || field.value.trim()) continue;
      field.value = each.dataset.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  body.addEventListener("htmx:oobAfterSwap", (event) => fill(event.detail.target.parentNode || document));
  body.addEventListener("htmx:afterSettle", () => fill(document));

  // nothing is saved by itself while somebody has to choose what stands; the choice is not taken away from them
  body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id === "sheet" && document.querySelector("#conflict[data-open]")) event.preventDefault();
  });
  body.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "conflict") {
      const notice = document.querySelector("#conflict [role=alert]");
      if (notice) notice.focus();
    }
  });

  // Enter in a field saves and leaves one where one is
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "sheet" || (event.submitter && event.submitter.name)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    htmx.trigger(event.target, "change");
  }, true);

  // one receiver: chosen above, or below
  document.addEventListener("change", (event) => {
    const field = event.target;
    const other = document.getElementById("other-receiver");
    if (!other || field.name !== other.name) return;
    if (field === other && field.value) {
      for (const each of document.querySelectorAll(`input[type=radio][name="${CSS.escape(field.name)}"]`)) each.checked = false;
    } else if (field !== other) {
      other.value = "";
    }
  }, true);
})();
