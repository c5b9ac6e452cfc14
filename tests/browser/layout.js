// What is wrong with the layout of the page as it stands, as sentences.
() => {
  const faults = [];
  const name = (e) => {
    const text = (e.innerText || e.value || "").trim().slice(0, 40);
    return `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}.${[...e.classList].join(".")} "${text}"`;
  };
  const seen = (e) => {
    if (e.closest(".out-of-sight, .skip, [hidden], svg, canvas") || (e.closest("details:not([open])") && !e.closest("summary"))) return false;
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    return style.visibility !== "hidden" && style.display !== "none" && box.width > 0 && box.height > 0;
  };
  const scrolls = (e) => {
    for (let up = e.parentElement; up; up = up.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(up).overflowX) && up !== document.body) return true;
    }
    return false;
  };
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
  const all = [...document.body.querySelectorAll("*")].filter(seen);
  for (const e of all) {
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!scrolls(e) && (box.right > root.clientWidth + 1 || box.left < -1)) faults.push(`beyond the edge: ${name(e)}`);
    const cuts = ["hidden", "clip"].includes(style.overflowX) || ["hidden", "clip"].includes(style.overflowY);
    const ellipsis = style.textOverflow === "ellipsis" && e.title;
    if (cuts && !ellipsis && !e.matches("input, textarea, select, iframe, video, audio") &&
        (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)) faults.push(`clipped: ${name(e)}`);
    if (e.matches("button, .button, .badge, .count, th") && e.scrollWidth > e.clientWidth + 1) faults.push(`too narrow: ${name(e)}`);
  }
  // what can be pressed, and words, do not lie on each other
  const solid = all.filter((e) => e.matches("a, button, input:not([type=hidden]), select, textarea, summary, h1, h2, h3, label, dt, dd, td, th"));
  for (let i = 0; i < solid.length; i++) {
    for (let j = i + 1; j < solid.length; j++) {
      const a = solid[i], b = solid[j];
      if (a.contains(b) || b.contains(a)) continue;
      const sticky = (e) => e.closest(".bar, .side, .sheet, [data-floats]");
      if (Boolean(sticky(a)) !== Boolean(sticky(b)) || sticky(a) !== sticky(b)) continue;
      for (const p of a.getClientRects()) for (const q of b.getClientRects()) {
        const w = Math.min(p.right, q.right) - Math.max(p.left, q.left), h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (w > 2 && h > 2) { faults.push(`overlap: ${name(a)} and ${name(b)}`); break; }
      }
    }
  }
  return [...new Set(faults)].slice(0, 20);
}
