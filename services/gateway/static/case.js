// Pages of cases: news does not take away what is open under one's hands; a letter is sent when its time to think is over.
"use strict";

(() => {
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    if (!target || target.id !== "case") return;
    const busy = target.querySelector("details.menu[open], details.reveal[open], .checks, .htmx-request");
    if (busy) event.detail.shouldSwap = false;
  });

  // a file goes to the node at once; the form names it
  const csrf = () => JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRF-Token"] || "";
  const ready = () => { for (const each of document.querySelectorAll(".upload[hidden]")) each.hidden = false; };
  ready();
  document.body.addEventListener("htmx:afterSettle", ready);
  document.body.addEventListener("change", async (event) => {
    const input = event.target;
    if (!input.dataset || !input.dataset.upload || !input.files.length) return;
    const select = document.getElementById(input.dataset.upload);
    const said = document.getElementById(`${input.dataset.upload}-said`);
    const file = input.files[0];
    said.textContent = input.dataset.busy;
    try {
      // what kind it is, its bytes say: browsers tell what the system calls its name's ending
      const answer = await fetch(`/evidence?name=${encodeURIComponent(file.name)}`, {
        method: "POST", body: file, headers: { "X-CSRF-Token": csrf(), "Content-Type": "application/octet-stream" },
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const root = (await answer.json()).root;
      if (![...select.options].some((each) => each.value === root)) select.add(new Option(file.name, root));
      select.value = root;
      const known = document.createElement("input");
      known.type = "hidden";
      known.name = "evidence";
      known.value = root;
      select.form.append(known);
      said.textContent = input.dataset.there;
    } catch {
      said.textContent = input.dataset.failed;
    }
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
