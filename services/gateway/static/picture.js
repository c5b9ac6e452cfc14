// Charts from the tables beside them, pictures of charts, and choosing many at once.
"use strict";

(() => {
  const colours = ["#0b4f9e", "#0f6a3c", "#b26a00", "#a3191f"];
  const charts = new Map();

  // a table says what a chart shows: labels, series, values; nothing else is asked for
  const read = (table) => {
    const heads = [...table.querySelectorAll("thead th")];
    const columns = heads.map((head, at) => (head.hasAttribute("data-series") ? at : -1)).filter((at) => at >= 0);
    const rows = [...table.querySelectorAll("tbody tr")];
    return {
      labels: rows.map((row) => row.querySelector("[data-label]").textContent.trim()),
      series: columns.map((at) => ({
        name: heads[at].textContent.trim(),
        data: rows.map((row) => (row.children[at].dataset.value === undefined ? null : Number(row.children[at].dataset.value))),
      })),
    };
  };

  const option = (element) => {
    const { labels, series } = read(document.getElementById(element.dataset.table));
    const kind = element.dataset.chart;
    const lying = kind === "bar";
    const names = { type: "category", data: labels, axisLabel: { width: lying ? 130 : undefined, overflow: "truncate" }, inverse: lying };
    const values = { type: "value", minInterval: 1, max: element.dataset.unit === "%" ? 100 : undefined };
    return {
      aria: { enabled: true, label: { enabled: false }, decal: { show: true } },
      animation: false,
      color: colours,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      legend: series.length > 1 ? { top: 0 } : undefined,
      grid: { left: 8, right: 48, top: series.length > 1 ? 36 : 12, bottom: 8, containLabel: true },
      xAxis: lying ? values : names,
      yAxis: lying ? names : values,
      series: series.map((each, at) => ({
        ...each, type: kind, symbol: ["circle", "rect", "triangle", "diamond"][at % 4], symbolSize: 8,
        lineStyle: { width: 2, type: ["solid", "dashed", "dotted", "solid"][at % 4] }, barMaxWidth: 24,
        label: { show: lying, position: "right", formatter: (one) => (one.value === null || one.value === undefined ? "" : `${one.value}${element.dataset.unit || ""}`) },
      })),
    };
  };

  // what draws is large: it is fetched for the first chart that comes near what is seen
  const source = document.currentScript.dataset.drawnBy;
  let fetched;
  const drawing = () => {
    fetched ||= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.addEventListener("load", () => resolve());
      script.addEventListener("error", () => { fetched = undefined; script.remove(); reject(new Error(source)); });
      document.head.append(script);
    });
    return fetched;
  };
  const draw = async (element) => {
    await drawing();
    if (charts.has(element) || !element.isConnected) return;
    const chart = echarts.init(element, null, { renderer: "canvas" });
    chart.setOption(option(element));
    charts.set(element, chart);
  };
  const near = new IntersectionObserver((seen) => {
    for (const each of seen) {
      if (!each.isIntersecting) continue;
      near.unobserve(each.target);
      draw(each.target).catch(() => near.observe(each.target));
    }
  }, { rootMargin: "200px" });
  const watch = () => {
    for (const [element, chart] of charts) {
      if (!element.isConnected) { chart.dispose(); charts.delete(element); }
    }
    for (const element of document.querySelectorAll("[data-chart]")) if (!charts.has(element)) near.observe(element);
  };
  watch();
  document.body.addEventListener("htmx:afterSettle", watch);
  window.addEventListener("beforeprint", () => {
    if (fetched) document.querySelectorAll("[data-chart]").forEach((each) => draw(each).catch(() => {}));
  });
  let resizing;
  window.addEventListener("resize", () => {
    window.clearTimeout(resizing);
    resizing = window.setTimeout(() => charts.forEach((chart) => chart.resize()), 100);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-image]");
    if (!button) return;
    const element = document.querySelector(`[data-name="${button.dataset.image}"]`);
    const chart = element && charts.get(element);
    if (!chart) return;
    const link = document.createElement("a");
    link.href = chart.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: "#fff" });
    link.download = `${element.dataset.title}.png`;
    link.click();
  });

  // all on a page at once; the box is of no use without this script
  for (const label of document.querySelectorAll("[data-choose-all]")) {
    label.hidden = false;
    const all = label.querySelector("input"), form = label.closest("form");
    const boxes = () => [...form.querySelectorAll("input[name=chosen]")];
    all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
    form.addEventListener("change", () => { all.checked = boxes().every((box) => box.checked); });
  }
})();
