// The page of a draft: fills in what is known, keeps still while a difference is open, and waits before it signs.
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

  // some seconds to think again before something is signed
  for (const form of document.querySelectorAll("form[data-undo]")) {
    let timer = 0;
    form.addEventListener("submit", (event) => {
      if (form.dataset.now) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (timer) return;
      let left = Number(form.dataset.undo);
      const button = form.querySelector("button.primary");
      const said = document.createElement("p");
      said.setAttribute("role", "status");
      const undo = document.createElement("button");
      undo.type = "button";
      undo.textContent = form.dataset.undoButton;
      const stop = () => {
        window.clearInterval(timer);
        timer = 0;
        said.remove();
        undo.remove();
        button.hidden = false;
        button.focus();
      };
      const tell = () => { said.textContent = form.dataset.undoWords.replace("{left}", String(left)); };
      undo.addEventListener("click", stop);
      button.hidden = true;
      form.append(said, undo);
      undo.focus();
      tell();
      timer = window.setInterval(() => {
        left -= 1;
        tell();
        if (left > 0) return;
        window.clearInterval(timer);
        form.dataset.now = "1";
        form.requestSubmit(button);
      }, 1000);
    }, true);
  }
})();
