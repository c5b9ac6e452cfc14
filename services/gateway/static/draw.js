// Repeats a draw by the method `liandong-draw/1` (docs/draws.md), in the browser, from files that stay there.
"use strict";

const LiandongDraw = (() => {
  const METHOD = "liandong-draw/1";
  const encoder = new TextEncoder();

  // -- SHA-256 (FIPS 180-4), at once and without a promise: a draw takes many thousands of them
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const part = (x) => ((x - Math.floor(x)) * 4294967296) >>> 0;
  const K = Uint32Array.from(primes, (p) => part(Math.cbrt(p)));
  const START = primes.slice(0, 8).map((p) => part(Math.sqrt(p)));
  const turn = (x, n) => (x >>> n) | (x << (32 - n));

  const sha256 = (bytes) => {
    const length = bytes.length, padded = new Uint8Array((((length + 8) >> 6) + 1) << 6);
    padded.set(bytes);
    padded[length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(length / 536870912));
    view.setUint32(padded.length - 4, (length << 3) >>> 0);
    const hash = Uint32Array.from(START), w = new Uint32Array(64);
    for (let block = 0; block < padded.length; block += 64) {
      for (let i = 0; i < 16; i++) w[i] = view.getUint32(block + i * 4);
      for (let i = 16; i < 64; i++) {
        const a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = hash;
      for (let i = 0; i < 64; i++) {
        const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((each, at) => { hash[at] += each; });
    }
    const out = new Uint8Array(32), shown = new DataView(out.buffer);
    hash.forEach((each, at) => shown.setUint32(at * 4, each));
    return out;
  };

  // -- bytes
  const join = (...parts) => {
    const out = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
    let at = 0;
    for (const each of parts) { out.set(each, at); at += each.length; }
    return out;
  };
  const whole = (number, size) => {
    const out = new Uint8Array(size);
    for (let at = size - 1, left = BigInt(number); at >= 0; at--, left >>= 8n) out[at] = Number(left & 255n);
    return out;
  };
  const utf8 = (text) => encoder.encode(text);
  const sized = (text) => { const bytes = utf8(text); return join(whole(bytes.length, 4), bytes); };
  const hex = (bytes) => [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");
  const unhex = (text) => {
    if (!/^([0-9a-f]{2})*$/i.test(text)) throw new Error("seed.root");
    return Uint8Array.from(text.match(/../g) || [], (each) => parseInt(each, 16));
  };
  const byBytes = (left, right) => {
    const a = utf8(left), b = utf8(right);
    for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return a[at] - b[at];
    return a.length - b.length;
  };

  // -- lists: CSV (RFC 4180), first line as in docs/draws.md
  const cells = (text) => {
    const rows = [];
    let row = [], cell = "", quoted = false, was = false;
    const source = text.replace(/^\ufeff/, "");
    for (let at = 0; at < source.length; at++) {
      const letter = source[at];
      if (quoted) {
        if (letter !== '"') cell += letter;
        else if (source[at + 1] === '"') { cell += '"'; at++; } else { quoted = false; was = true; }
      } else if (letter === '"' && cell === "" && !was) quoted = true;
      else if (letter === "," || letter === "\n" || letter === "\r") {
        if (letter === "\r" && source[at + 1] === "\n") at++;
        row.push(cell.trim());
        cell = ""; was = false;
        if (letter !== ",") { rows.push(row); row = []; }
      } else cell += letter;
    }
    if (quoted) throw new Error("CSV");
    if (cell !== "" || row.length) { row.push(cell.trim()); rows.push(row); }
    return rows.filter((each) => each.some(Boolean));
  };
  const list = (text, name, header, keys) => {
    const rows = cells(text);
    if (!rows.length || rows[0].join() !== header.join()) throw new Error(`${name}: ${header.join()}`);
    const body = rows.slice(1), seen = new Set();
    for (const row of body) {
      const key = row.slice(0, keys).join("\0");
      if (row.length !== header.length || !row[0] || seen.has(key)) throw new Error(`${name}: ${row.join()}`);
      seen.add(key);
    }
    return body.sort((a, b) => byBytes(a[0], b[0]) || (keys > 1 ? byBytes(a[1], b[1]) : 0));
  };
  const readLists = (objects, officers, exclusions) => ({
    objects: list(objects, "objects", ["id", "name", "class", "risk"], 1),
    officers: list(officers, "officers", ["certificate", "name", "department"], 1),
    exclusions: exclusions.trim() ? list(exclusions, "exclusions", ["certificate", "object", "reason"], 2) : [],
  });

  // -- commitment and seed
  const digest = (name, rows) =>
    sha256(join(utf8(`liandong/draw-${name}/v1\0`), whole(rows.length, 4), ...rows.flat().map(sized)));
  const inOrder = (numbers) => Object.entries(numbers || {}).sort((a, b) => byBytes(a[0], b[0]));
  const commitment = (plan, lists) => {
    const rows = [["method", METHOD], ["name", plan.name], ["officers_each", String(plan.officers_each)], ["margin", String(plan.margin)]];
    for (const [word, key] of [["quota", "quotas"], ["share", "shares"], ["weight", "weights"]]) {
      for (const [name, value] of inOrder(plan[key])) rows.push([word, name, String(value)]);
    }
    return sha256(join(
      utf8("liandong/draw-commitment/v1\0"), digest("objects", lists.objects), digest("officers", lists.officers),
      digest("exclusions", lists.exclusions), digest("plan", rows),
    ));
  };
  const seedOf = (committed, size, root) => sha256(join(utf8("liandong/draw-seed/v1\0"), committed, whole(size, 8), root));

  // -- the draw
  const SPACE = 1n << 256n;
  const number = (seed, label, step, below) => {
    const head = join(utf8("liandong/draw-number/v1\0"), seed, sized(label), whole(step, 8));
    const limit = BigInt(below), fair = SPACE - (SPACE % limit);
    for (let attempt = 0; ; attempt++) {
      const value = BigInt(`0x${hex(sha256(join(head, whole(attempt, 4))))}`);
      if (value < fair) return Number(value % limit);
    }
  };
  const draw = (seed, plan, lists) => {
    const weights = plan.weights || {}, weighted = Object.keys(weights).length > 0;
    const quotas = { ...plan.quotas };
    for (const [name, share] of Object.entries(plan.shares || {})) {
      quotas[name] = Math.ceil((lists.objects.filter((each) => each[2] === name).length * share) / 1000);
    }
    const drawn = [];
    for (const [name, quota] of inOrder(quotas)) {
      const pool = lists.objects.filter((each) => each[2] === name);
      const left = pool.map((each) => (weighted ? weights[each[3]] : 1));
      let sum = left.reduce((a, b) => a + b, 0);
      if (!(quota > 0) || quota > pool.length || !Number.isSafeInteger(sum)) throw new Error(`quotas: ${name}`);
      for (let step = 0; step < quota; step++) {
        let at = 0;
        for (let value = number(seed, `objects/${name}`, step, sum) - left[0]; value >= 0; value -= left[at]) at++;
        drawn.push(pool[at]);
        sum -= left[at];
        left[at] = 0;
      }
    }
    const excluded = new Set(lists.exclusions.map((each) => `${each[0]}\0${each[1]}`));
    const load = new Map(lists.officers.map((each) => [each[0], 0]));
    let step = 0;
    return drawn.map(([id]) => {
      let left = [...load.keys()].filter((each) => !excluded.has(`${each}\0${id}`) && !excluded.has(`${each}\0`));
      const chosen = [];
      if (left.length >= plan.officers_each) {
        for (let each = 0; each < plan.officers_each; each++, step++) {
          const least = Math.min(...left.map((one) => load.get(one)));
          const free = left.filter((one) => load.get(one) === least);
          const taken = free[number(seed, "officers", step, free.length)];
          chosen.push(taken);
          left = left.filter((one) => one !== taken);
        }
        for (const each of chosen) load.set(each, load.get(each) + 1);
      }
      return { object: id, officers: chosen };
    });
  };

  return { METHOD, sha256, hex, unhex, utf8, readLists, commitment, seedOf, draw };
})();

// -- the page
(() => {
  const form = document.getElementById("repeat");
  if (!form) return;
  const told = document.getElementById("repeated");
  const read = async (name) => { const file = form.elements[name].files[0]; return file ? file.text() : ""; };
  const line = (good, text) => {
    const item = document.createElement("li");
    item.className = good ? "due good" : "due bad";
    item.textContent = `${good ? "✓" : "✕"} ${text}`;
    return item;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = form.dataset, result = document.createElement("ul");
    result.className = "plain";
    try {
      const proof = JSON.parse(await read("proof"));
      const lists = LiandongDraw.readLists(await read("objects"), await read("officers"), await read("exclusions"));
      const committed = LiandongDraw.commitment(proof.plan, lists);
      const seed = LiandongDraw.seedOf(committed, proof.seed.size, LiandongDraw.unhex(proof.seed.root));
      const pairs = LiandongDraw.draw(seed, proof.plan, lists);
      if (words.commitment) result.append(line(LiandongDraw.hex(committed) === words.commitment, words.saysCommitment));
      if (words.seed) {
        result.append(line(proof.seed.root === words.seed && String(proof.seed.size) === words.size, words.saysSeed));
      }
      result.append(line(JSON.stringify(pairs) === JSON.stringify(proof.result), words.saysResult));
      if (words.pairs) {
        const published = pairs.filter((each) => each.officers.length);
        result.append(line(JSON.stringify(published) === JSON.stringify(JSON.parse(words.pairs)), words.saysPublished));
      }
      const shown = document.createElement("li");
      shown.textContent = `${words.saysCommitted} ${LiandongDraw.hex(committed)}`;
      result.append(shown);
      for (const each of pairs) {
        const item = document.createElement("li");
        item.className = "pair";
        item.textContent = `${each.object}: ${each.officers.join(", ") || "—"}`;
        result.append(item);
      }
    } catch (error) {
      result.append(line(false, `${words.saysUnreadable} ${error.message}`));
    }
    told.replaceChildren(result);
    told.focus();
  });
})();
