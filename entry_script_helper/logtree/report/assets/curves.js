"use strict";
/* Throughput and resources over time. */
{
  const { data, byId, element, count, plural } = report;
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const COLOURS = 6;

  const rates = data.rates;
  const lines = (name) => {
    const { data: [trace], layout } = data.figures.rates;
    return () => {
      if (!rates.times.length) return null;
      const unit = name === "items" ? "items/s" : "mini-batches/s";
      return {
        data: [{ ...trace, name: unit, meta: unit, x: rates.times.map(report.milliseconds), y: rates[name], line: { ...trace.line, color: report.colour("curve-1"), width: 1.5 } }],
        layout: report.layout(layout, { height: 220, margin: { l: 48 } }),
      };
    };
  };
  report.chart("items-chart", lines("items"));
  report.chart("minibatches-chart", lines("miniBatches"));
  byId("rates-shown").textContent = rates.times.length
    ? `Items that succeeded and mini-batches that came to a good end, per second, in stretches of ${report.span(rates.width)}, of all ${plural(data.tryCounts.succeeded || 0, "try that succeeded", "tries that succeeded")}.`
    : "The files tell of no mini-batch that succeeded, with its time.";
  for (const part of document.querySelectorAll("#throughput .pair, #throughput .table")) part.hidden = !rates.times.length;
  const high = (values) => values.reduce((most, value) => Math.max(most, value), 0);
  byId("items-chart").setAttribute("aria-label", `Items per second over time, ${count(high(rates.items))} at most. The table below has the values.`);
  byId("minibatches-chart").setAttribute("aria-label", `Mini-batches per second over time, ${count(high(rates.miniBatches))} at most. The table below has the values.`);
  report.fill("rates-rows", rates.times.map((time, place) => element("tr", {}, element("th", { scope: "row" }, report.moment(time - rates.width / 2)), element("td", { class: "number" }, count(rates.items[place])), element("td", { class: "number" }, count(rates.miniBatches[place])))));

  const resources = data.resources;
  const MOST_LINES = 4; // of a legend
  const FEW = 3;
  const GROUPS = [["nodes", resources.nodes, (usage) => `node ${usage.node}`], ["processes", resources.processes, (usage) => report.processLabel(usage)]];
  const names = [...new Set([...resources.nodes, ...resources.processes].map((usage) => usage.node))].sort();
  const select = byId("resources-node");
  report.options(select, names.map((name) => [name, name || "unknown node"]), "All nodes");
  const wanted = (usages) => usages.filter((usage) => !select.value || usage.node === select.value);
  const limitOf = (usages) => { const limits = new Set(usages.map((usage) => usage.limit)); return limits.size === 1 ? [...limits][0] : null; };

  function curves(group, usages, named, quantity) {
    return () => {
      const drawn = wanted(usages).filter((usage) => usage[quantity][0].length);
      if (!drawn.length) return null;
      const { data: [trace], layout } = data.figures.curves;
      const unit = (usage) => (quantity === "memory" ? usage.unit : "%");
      const top = drawn.reduce((most, usage) => usage[quantity][1].reduce((one, value) => Math.max(one, value), most), 0);
      const limit = quantity === "memory" ? limitOf(drawn) : null;
      const shapes = limit ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: limit, y1: limit, line: { color: report.colour("failed"), width: 1.5, dash: "dash" } }] : [];
      const annotations = limit ? [{ xref: "paper", x: 1, y: limit, xanchor: "right", yanchor: "bottom", showarrow: false, text: `the node’s memory: ${count(Math.round(limit))} MB`, font: { color: report.colour("failed"), size: 11 } }] : [];
      // Beside each other where there is room; on a phone fewer are named, the table below has them all.
      const across = byId(`${group}-${quantity}-chart`).clientWidth < 460 ? 1 : 2;
      const lines = Math.min(Math.ceil(drawn.length / across), MOST_LINES);
      return {
        data: drawn.map((usage, place) => ({
          ...trace, name: report.plain(named(usage)), meta: unit(usage), showlegend: drawn.length > 1 && place < MOST_LINES * across,
          x: usage[quantity][0].map(report.milliseconds), y: usage[quantity][1],
          mode: usage[quantity][0].length < FEW ? "lines+markers" : trace.mode, // a line of one value would not be seen
          line: { color: report.colour(`curve-${(place % COLOURS) + 1}`), dash: DASHES[Math.floor(place / COLOURS) % DASHES.length], width: 1.6 },
        })),
        layout: report.layout(layout, {
          height: 230 + (drawn.length > 1 ? lines * 19 : 0), shapes, annotations, showlegend: drawn.length > 1,
          legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, font: { size: 11 } },
          margin: { l: 60, b: 46 + (drawn.length > 1 ? lines * 19 : 0), t: 18 },
          xaxis: { tickangle: 0, nticks: 6, title: { text: "" } },
          yaxis: { title: { text: unit(drawn[0]), standoff: 4 }, range: [0, Math.max(top * 1.08, limit ? limit * 1.12 : 0) || 1] },
        }),
      };
    };
  }
  const draws = [];
  for (const [group, usages, named] of GROUPS) {
    for (const quantity of ["memory", "processor"]) draws.push(report.chart(`${group}-${quantity}-chart`, curves(group, usages, named, quantity)));
  }

  function sayShown() {
    const [nodes, processes] = GROUPS.map(([, usages]) => wanted(usages));
    const parts = [];
    if (resources.nodeCount) parts.push(`${count(nodes.length)} of ${plural(resources.nodeCount, "node")}`);
    if (resources.processCount) parts.push(`${count(processes.length)} of ${plural(resources.processCount, "process", "processes")}`);
    byId("resources-shown").textContent = parts.length
      ? `${parts.join(" and ")} shown: those that used the most memory. Curves keep the lowest and the highest value of each stretch of time; times are in UTC.`
      : "The tree has no table of resources that could be read.";
    const rows = [];
    for (const [group, usages, named] of GROUPS) {
      const shown = wanted(usages);
      for (const [quantity, what] of [["memory", "Memory"], ["processor", "Use of processors"]]) {
        const place = byId(`${group}-${quantity}-chart`);
        place.closest("figure").hidden = place.hidden;
        const peak = shown.reduce((most, usage) => (usage[`${quantity}Peak`] && (!most || usage[`${quantity}Peak`][1] > most[`${quantity}Peak`][1]) ? usage : most), null);
        place.setAttribute("aria-label", `${what} of ${group} over time${peak ? `, at most ${count(Math.round(peak[`${quantity}Peak`][1]))} ${quantity === "memory" ? peak.unit : "percent"}, in ${named(peak)}` : ""}. The table below has the peaks.`);
      }
      rows.push(...shown.map((usage) => element("tr", {},
        element("th", { scope: "row" }, named(usage)),
        element("td", { class: "number" }, usage.memoryPeak ? `${count(usage.memoryPeak[1])} ${usage.unit}` : ""),
        element("td", { class: "number" }, usage.percentPeak ? `${count(usage.percentPeak[1])} %` : ""),
        element("td", {}, usage.memoryPeak ? report.moment(usage.memoryPeak[0]).slice(0, 19) : ""),
        element("td", { class: "number" }, usage.processorPeak ? `${count(usage.processorPeak[1])} %` : ""),
        element("td", { class: "number" }, count(usage.measurements)))));
    }
    report.fill("peaks-rows", rows);
  }
  for (const part of document.querySelectorAll("#resources .row, #resources .pair, #resources .table")) part.hidden = !names.length;
  sayShown();
  select.addEventListener("change", () => { draws.forEach((draw) => draw()); sayShown(); });
}
