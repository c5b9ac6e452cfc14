// What every page does: answers that are shown though they are no 200, live changes, words when nothing answers.
"use strict";

(() => {
  const body = document.body;

  // a form that was refused comes back with its faults beside the fields
  body.addEventListener("htmx:beforeSwap", (event) => {
    const status = event.detail.xhr.status;
    if ([400, 409, 422].includes(status)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
    if (status === 401) window.location.reload();
  });
  // what has the focus keeps it when news replaces what it stands in: who works by keyboard stays where they are
  let held = null;
  const looks = (each) => [...["href", "name", "value"].map((one) => each.getAttribute(one)), each.textContent.trim()].join("\n");
  body.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    const active = document.activeElement;
    held = target && target.id && target.contains(active)
      ? { within: target.id, tag: active.tagName, looks: looks(active) }
      : null;
  });
  body.addEventListener("htmx:afterSwap", () => {
    const within = held && document.activeElement === body && document.getElementById(held.within);
    if (!within) return;
    const again = [...within.querySelectorAll(held.tag)].find((each) => looks(each) === held.looks);
    if (again) again.focus({ preventScroll: true });
    held = null;
  });
  // an answer says that the server is there only if it was asked for after the connection was lost
  const offline = document.getElementById("offline");
  let lostAt = -1;
  const lost = () => { lostAt = performance.now(); if (offline) offline.hidden = false; };
  const there = (askedAt) => { if (offline && askedAt > lostAt) offline.hidden = true; };
  body.addEventListener("htmx:beforeRequest", (event) => { event.detail.requestConfig.askedAt = performance.now(); });
  body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) there(event.detail.requestConfig.askedAt);
  });
  body.addEventListener("htmx:sendError", lost);
  body.addEventListener("htmx:timeout", lost);
  window.addEventListener("offline", lost);

  // changes as they happen: `live:cases`, `live:work`, `live:oversight` on the body
  if (body.dataset.live) {
    // two of the server's pulses may be missed: a line that was cut in silence ends nothing by itself
    const silenceMs = 35000;
    let source, watch, next, wait = 1000;
    const awaitPulse = () => {
      window.clearTimeout(watch);
      watch = window.setTimeout(() => { lost(); awaitPulse(); listen(); }, silenceMs);
    };
    const heard = () => { wait = 1000; awaitPulse(); };
    const stop = () => {
      if (source) source.close();
      window.clearTimeout(next);
    };
    const listen = () => {
      stop();
      const askedAt = performance.now();
      source = new EventSource(body.dataset.live);
      for (const name of ["cases", "work", "oversight", "messages"]) {
        source.addEventListener(name, (event) => {
          heard();
          htmx.trigger(body, `live:${name}`, { what: event.data });
        });
      }
      source.addEventListener("pulse", heard);
      source.addEventListener("open", () => { heard(); there(askedAt); htmx.trigger(body, "live:open"); });
      source.addEventListener("error", () => {
        stop();
        next = window.setTimeout(listen, wait);
        wait = Math.min(wait * 2, 30000);
      });
    };
    window.addEventListener("online", () => { wait = 1000; listen(); });
    window.addEventListener("pagehide", () => { stop(); window.clearTimeout(watch); });
    window.addEventListener("pageshow", (event) => { if (event.persisted) { awaitPulse(); listen(); } });
    awaitPulse();
    listen();
  } else {
    window.addEventListener("online", () => there(performance.now()));
  }

  // open menus close on Escape and on a click elsewhere
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // `/` leads to the search box, unless something is being typed
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const box = document.getElementById("find");
    if (event.key !== "/" || typing || !box || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    box.focus();
    box.select();
  });

  // a form is sent once; buttons that only print
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.method === "post" && !form.hasAttribute("hx-post")) {
      form.dataset.sent = "1";
      window.setTimeout(() => delete form.dataset.sent, 5000);
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
  });
})();
