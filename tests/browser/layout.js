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
  const told = document.querySelector("meta[name=viewport]");
  if (!told || !told.content.includes("width=device-width")) faults.push("a telephone would show the page of a desk");
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
  const sticky = (e) => e.closest(".bar, .side, .sheet, [data-floats]");
  const solid = all
    .filter((e) => e.matches("a, button, input:not([type=hidden]), select, textarea, summary, h1, h2, h3, label, dt, dd"))
    .map((e) => ({ e, boxes: [...e.getClientRects()], floats: sticky(e) }))
    .map((each) => ({ ...each, top: Math.min(...each.boxes.map((r) => r.top)), bottom: Math.max(...each.boxes.map((r) => r.bottom)) }))
    .sort((a, b) => a.top - b.top);
  for (let i = 0; i < solid.length; i++) {
    for (let j = i + 1; j < solid.length && solid[j].top < solid[i].bottom; j++) {
      const a = solid[i], b = solid[j];
      if (a.floats !== b.floats || a.e.contains(b.e) || b.e.contains(a.e)) continue;
      const meet = a.boxes.some((p) => b.boxes.some((q) =>
        Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 2));
      if (meet) faults.push(`overlap: ${name(a.e)} and ${name(b.e)}`);
    }
  }
  return [...new Set(faults)].slice(0, 20);
}
