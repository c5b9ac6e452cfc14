// Files on their way: in parts, on from where they were after a cut, silent while there is no network.
"use strict";

(() => {
  const AT_ONCE = 2;
  const LONGEST_WAIT = 15000;
  document.documentElement.classList.add("with-script");

  const headers = () => JSON.parse(document.body.getAttribute("hx-headers") || "{}");
  const pause = (ms) => new Promise((done) => window.setTimeout(done, ms));
  const online = () => new Promise((done) => {
    if (navigator.onLine) { done(); return; }
    window.addEventListener("online", () => done(), { once: true });
  });

  const waiting = [];
  let running = 0;

  const shownOf = (file) => {
    const box = document.createElement("div");
    const name = document.createElement("p");
    const bar = document.createElement("progress");
    const id = `upload-${Math.random().toString(36).slice(2)}`;
    name.id = id;
    name.textContent = file.name;
    bar.max = Math.max(file.size, 1);
    bar.value = 0;
    bar.setAttribute("aria-labelledby", id);
    box.append(name, bar);
    document.getElementById("uploading").append(box);
    const words = document.getElementById("drop").dataset;
    return {
      at: (done) => { bar.value = done; name.textContent = `${file.name} · ${words.going} ${Math.floor((100 * done) / bar.max)}%`; },
      wait: () => { name.textContent = `${file.name} · ${words.waiting}`; },
      fail: (why) => { name.textContent = `${file.name} · ${words.failed} ${why}`; name.className = "wrong"; bar.remove(); },
      done: () => { box.remove(); },
    };
  };

  // an answer, however long the network is away; what is refused for good is thrown
  const answered = async (address, options, shown) => {
    for (let wait = 1000; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      await online();
      try {
        const answer = await fetch(address, { ...options, headers: { ...headers(), ...(options.headers || {}) } });
        if (answer.status === 409 || answer.ok) return await answer.json();
        if (answer.status < 500 && answer.status !== 408 && answer.status !== 429) {
          let why = String(answer.status);
          try { why = (await answer.json()).detail || why; } catch { /* no words */ }
          const refused = new Error(why);
          refused.final = true;
          throw refused;
        }
      } catch (error) {
        if (error.final) throw error;
      }
      shown.wait();
      await pause(wait);
      if (options.again) return await answered(options.again, { method: "GET" }, shown);
    }
  };

  const send = async ({ file, kind, address }) => {
    const shown = shownOf(file);
    try {
      const said = JSON.stringify({ kind, name: file.name, size: file.size });
      let state = await answered(address, { method: "POST", body: said, headers: { "Content-Type": "application/json" } }, shown);
      const own = `${address}/${state.id}`;
      while (!state.there) {
        shown.at(state.offset);
        const part = file.slice(state.offset, state.offset + state.part);
        state = await answered(`${own}?offset=${state.offset}`, { method: "PUT", body: part, again: own }, shown);
      }
      shown.done();
    } catch (error) {
      shown.fail(error.message);
    }
    const drop = document.getElementById("drop");
    if (drop && drop.dataset.after) htmx.ajax("GET", drop.dataset.after, { target: "#photos", swap: "outerHTML" });
  };

  const next = () => {
    while (running < AT_ONCE && waiting.length) {
      running += 1;
      send(waiting.shift()).finally(() => {
        running -= 1;
        if (!running && !waiting.length) htmx.trigger(document.body, "files-changed");
        next();
      });
    }
  };

  const add = (files, kind) => {
    const drop = document.getElementById("drop");
    if (!drop) return;
    const chosen = document.getElementById("upload-kind");
    for (const file of files) waiting.push({ file, kind: kind || (chosen && chosen.value) || drop.dataset.kind, address: drop.dataset.uploads });
    next();
  };

  // a folder with everything in it
  const filesIn = async (entry) => {
    if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) break;
      for (const each of some) found.push(...await filesIn(each));
    }
    return found;
  };

  const writable = () => {
    const input = document.getElementById("upload-files");
    return input && !input.disabled;
  };
  document.addEventListener("change", (event) => {
    if (event.target.id !== "upload-files") return;
    add([...event.target.files]);
    event.target.value = "";
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-upload-form]")) event.preventDefault();
  }, true);
  document.addEventListener("dragover", (event) => {
    if (!writable() || ![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.getElementById("drop").classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget && document.getElementById("drop")) document.getElementById("drop").classList.remove("over");
  });
  document.addEventListener("drop", async (event) => {
    if (!writable() || !event.dataTransfer.files.length) return;
    event.preventDefault();
    document.getElementById("drop").classList.remove("over");
    const plain = [...event.dataTransfer.files];
    const entries = [...event.dataTransfer.items].map((each) => each.webkitGetAsEntry && each.webkitGetAsEntry()).filter(Boolean);
    if (!entries.length) { add(plain); return; }
    for (const each of entries) add(await filesIn(each));
  });
  document.addEventListener("paste", (event) => {
    if (!writable() || !event.clipboardData) return;
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    const stamp = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
    add(files.map((each, index) => (each.name && each.name !== "image.png" ? each : new File([each], `screenshot-${stamp}${index ? `-${index}` : ""}.png`, { type: each.type }))));
  });

  // leaving while something is on its way
  window.addEventListener("beforeunload", (event) => {
    if (running || waiting.length) event.preventDefault();
  });
})();
