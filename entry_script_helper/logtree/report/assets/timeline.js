"use strict";
/* Tries at mini-batches: bars for each process, the details of one, and all of them as a table. */
{
  const { data, byId, element, count, plural } = report;
  const ROWS = 24;
  const STATUS_NAMES = { succeeded: "Succeeded", running: "Running", died: "Process died", timeout: "Timeout", failed: "Failed" };

  const tries = data.tries.map(([miniBatch, number, process, status, start, end, total, succeeded, error, lines, more], place) => ({
    place, miniBatch, number, process: data.processes[process], status: STATUS_NAMES[status] ? status : "running", start, end, total, succeeded, error, lines, more,
    seconds: start !== null && end !== null ? end - start : null,
  }));
  const times = tries.flatMap((each) => [each.start, each.end]).filter((time) => time !== null);
  const begin = times.reduce((low, time) => Math.min(low, time), Infinity);
  const finish = times.reduce((high, time) => Math.max(high, time), -Infinity);
  const rowOf = (each) => `${each.process.node}\n${each.process.name || each.process.pid}`;
  const statuses = data.statuses.filter((status) => tries.some((each) => each.status === status)).reverse();
  const hidden = new Set();
  let node = "";
  let firstRow = 0;
  let chosen = null;
  let kept = false;
  let range = null;

  /* A row's name; where there is little room, of the node only what tells it from the others. */
  let same = 0;
  while (report.nodes.length > 1 && report.nodes.every((each) => each[same] !== undefined && each[same] === report.nodes[0][same])) same += 1;
  function rowLabel(process, isShort) {
    const name = report.processName(process);
    if (report.nodes.length < 2 || !process.node) return name;
    return isShort && same > 2 ? `${name} …${process.node.slice(same)}` : `${name}  ${process.node}`;
  }

  const shown = () => tries.filter((each) => !hidden.has(each.status) && (!node || each.process.node === node));
  const byName = new Intl.Collator("en", { numeric: true });
  function rows() {
    const named = new Map(shown().filter((each) => each.start !== null).map((each) => [rowOf(each), each.process]));
    return [...named].sort(([one], [other]) => byName.compare(one, other));
  }

  function sayShown() {
    const total = Object.values(data.tryCounts).reduce((sum, one) => sum + one, 0);
    const visible = shown().length;
    if (!total) return report.fill("timeline-shown", "The files tell of no try at a mini-batch.");
    const rest = tries.length < total ? ": all or the first and last that did not succeed, the slowest, and an even selection of the others. All: " : ".";
    const parts = [`${count(visible)} of ${plural(total, "try", "tries")} shown${rest}`];
    if (tries.length < total) parts.push(report.command(" --mini-batch N"));
    const timeless = shown().filter((each) => each.start === null).length;
    if (timeless) parts.push(` ${plural(timeless, "try has", "tries have")} no times and ${timeless === 1 ? "is" : "are"} in the table only.`);
    return report.fill("timeline-shown", parts);
  }

  function label(each) {
    const items = each.total === null || each.status === "running" ? "" : `, ${count(each.succeeded || 0)} of ${plural(each.total, "item")}`;
    const took = each.seconds === null ? "" : ` in ${report.span(each.seconds)}`;
    return `Mini-batch ${each.miniBatch}, try ${each.number}: ${STATUS_NAMES[each.status].toLowerCase()}${took}${items}`;
  }

  function build() {
    const all = rows();
    firstRow = Math.max(0, Math.min(firstRow, all.length - 1));
    firstRow -= firstRow % ROWS;
    const now = all.slice(firstRow, firstRow + ROWS);
    byId("timeline-rows").textContent = `Processes ${count(firstRow + 1)} to ${count(firstRow + now.length)} of ${count(all.length)}`;
    byId("timeline-rows").parentElement.hidden = all.length <= ROWS;
    byId("timeline-rows-before").disabled = firstRow === 0;
    byId("timeline-rows-behind").disabled = firstRow + ROWS >= all.length;
    if (!now.length) return null;
    const places = new Map(now.map(([key], place) => [key, place]));
    const { data: traces, layout } = data.figures.timeline;
    const bars = new Map(traces.map((trace) => [trace.name, { ...trace, x: [], y: [], base: [], text: [], hovertext: [], customdata: [] }]));
    for (const each of shown()) {
      const place = places.get(rowOf(each));
      if (place === undefined || each.start === null) continue;
      const bar = bars.get(each.status);
      bar.base.push(report.milliseconds(each.start));
      bar.x.push(report.milliseconds((each.end === null ? finish : each.end) - each.start));
      bar.y.push(place);
      bar.text.push(each.number > 1 ? `try ${each.number}` : "");
      bar.hovertext.push(`${report.plain(label(each))}${each.error ? `<br>${report.plain(report.shorten(each.error, 90))}` : ""}`);
      bar.customdata.push(each.place);
    }
    for (const [status, bar] of bars) {
      const fillColour = report.colour(status);
      bar.marker = { ...bar.marker, color: fillColour, line: { color: report.colour("paper"), width: 0.5 }, pattern: { ...bar.marker.pattern, fgcolor: report.colour("paper") } };
      bar.textfont = { color: report.colour("paper"), size: 10 };
    }
    const place = byId("timeline-chart").clientWidth;
    const room = Math.min(220, Math.round(place * 0.32));
    const ticks = now.map(([, process]) => report.fitting(rowLabel(process, place < 600), 12, room));
    const longest = ticks.reduce((most, text) => Math.max(most, report.width(text, 12)), 0);
    return {
      data: [...bars.values()].filter((bar) => bar.x.length),
      layout: report.layout(layout, {
        height: now.length * 24 + 62, bargap: 0, uniformtext: { minsize: 9, mode: "hide" },
        margin: { l: Math.round(longest) + 14, r: 8, t: 6, b: 48 },
        xaxis: { range: range || wide() },
        yaxis: { tickvals: now.map((_, place) => place), ticktext: ticks.map(report.plain), range: [now.length - 0.5, -0.5], autorange: false, fixedrange: true, showgrid: false, zeroline: false },
        shapes: frame(),
      }),
    };
  }

  const wide = () => {
    const margin = Math.max((finish - begin) * 0.01, 0.05);
    return [report.milliseconds(begin - margin), report.milliseconds(finish + margin)];
  };

  /* The frame around the chosen bar. */
  function frame() {
    if (chosen === null || chosen.start === null) return [];
    const place = rows().slice(firstRow, firstRow + ROWS).findIndex(([key]) => key === rowOf(chosen));
    if (place < 0) return [];
    return [{
      type: "rect", xref: "x", yref: "y", x0: report.milliseconds(chosen.start), x1: report.milliseconds(chosen.end === null ? finish : chosen.end),
      y0: place - 0.45, y1: place + 0.45, line: { color: report.colour("ink"), width: 2 }, fillcolor: "rgba(0,0,0,0)",
    }];
  }

  function details(each) {
    const facts = [
      ["Status", status(each.status)],
      ["Process", report.processLabel(each.process)],
      ["Start", each.start === null ? "not told" : `${report.moment(each.start)} UTC`],
      ["Took", each.seconds === null ? "not told" : report.span(each.seconds)],
      ["Items", each.total === null ? "not told" : each.status === "running" ? count(each.total) : `${count(each.succeeded || 0)} of ${count(each.total)} succeeded`],
    ];
    return [
      element("h3", {}, `Mini-batch ${each.miniBatch}, try ${each.number}`),
      element("dl", { class: "facts" }, facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
      each.error && element("p", { class: "title" }, each.error),
      each.lines.length ? element("ol", { class: "lines" }, each.lines.map(([time, level, text]) => element("li", {}, element("span", { class: "muted" }, report.clock(time)), " ", levelName(level), " ", element("span", { class: "text" }, text)))) : null,
      element("p", { class: "muted small" }, each.lines.length ? (each.more ? `${plural(each.more, "more line", "more lines")} of this process in that time: ` : "All lines of this process in that time. ") : each.more ? `${plural(each.more, "line", "lines")} of this process in that time: ` : "No line of this process in that time. ",
        each.more ? report.command(` --mini-batch ${report.quoted(each.miniBatch)}`) : null),
      each.start === null ? null : element("button", { type: "button", onclick: () => report.showRecords(each.process, each.start, each.end) }, "Show the records of that time"),
    ].filter((part) => part);
  }

  const status = (name) => element("span", { class: `status ${name}` }, element("span", { class: "swatch", "aria-hidden": "true" }), STATUS_NAMES[name]);
  const levelName = (level) => (level ? element("span", { class: `level ${["ERROR", "CRITICAL", "WARNING"].includes(level) ? level : ""}` }, level) : null);
  report.levelName = levelName;

  function choose(each, keep) {
    chosen = each;
    kept = keep;
    report.fill("try-details", details(each));
    if (keep) {
      const place = rows().findIndex(([key]) => key === rowOf(each));
      if (place >= 0 && (place < firstRow || place >= firstRow + ROWS)) {
        firstRow = place - (place % ROWS);
        draw();
        return;
      }
    }
    if (byId("timeline-chart").data) Plotly.relayout("timeline-chart", { shapes: frame() });
  }

  const inOrder = () => shown().slice().sort((one, other) => (one.start ?? Infinity) - (other.start ?? Infinity));
  function step(by, fits) {
    const all = inOrder();
    let place = chosen === null ? (by > 0 ? -1 : all.length) : all.indexOf(chosen);
    do place += by; while (place >= 0 && place < all.length && !fits(all[place]));
    if (all[place]) choose(all[place], true);
  }

  function move(key) {
    const all = inOrder().filter((each) => each.start !== null);
    if (!all.length) return false;
    if (chosen === null || !all.includes(chosen)) { choose(all[0], true); return true; }
    const same = all.filter((each) => rowOf(each) === rowOf(chosen));
    const at = same.indexOf(chosen);
    const keys = rows().map(([name]) => name);
    const nearest = (name) => all.filter((each) => rowOf(each) === name).reduce((best, each) => (best === null || Math.abs(each.start - chosen.start) < Math.abs(best.start - chosen.start) ? each : best), null);
    const moves = {
      ArrowRight: () => same[at + 1], ArrowLeft: () => same[at - 1], Home: () => same[0], End: () => same[same.length - 1],
      ArrowDown: () => nearest(keys[keys.indexOf(rowOf(chosen)) + 1]), ArrowUp: () => nearest(keys[keys.indexOf(rowOf(chosen)) - 1]),
      Enter: () => chosen,
    };
    if (!moves[key]) return false;
    const next = moves[key]();
    if (next) choose(next, true);
    return true;
  }

  let order = [];
  const pageOfTries = report.pager(byId("tries-pager"), 50, (from, to) => {
    report.fill("tries-rows", order.slice(from, to).map((each) => element("tr", {},
      element("th", { scope: "row" }, element("button", { type: "button", class: "link", onclick: () => { choose(each, true); byId("try").scrollIntoView({ block: "nearest" }); } }, each.miniBatch)),
      element("td", {}, count(each.number)), element("td", {}, status(each.status)), element("td", {}, report.processLabel(each.process)),
      element("td", {}, report.moment(each.start)), element("td", { class: "number" }, each.seconds === null ? "" : each.seconds.toFixed(3)),
      element("td", { class: "number" }, each.total === null ? "" : each.status === "running" ? count(each.total) : `${count(each.succeeded || 0)} of ${count(each.total)}`), element("td", { class: "error" }, each.error))));
  });
  function table() {
    const ways = { start: () => 0, slow: (one, other) => (other.seconds ?? -1) - (one.seconds ?? -1), retries: (one, other) => other.number - one.number };
    order = inOrder().sort(ways[byId("tries-order").value]);
    pageOfTries(order.length);
  }

  byId("timeline-statuses").replaceChildren(...statuses.map((name) => {
    const button = element("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => {
      if (hidden.has(name)) hidden.delete(name); else hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      update();
    } }, status(name), element("span", { class: "muted" }, count(data.tryCounts[name] || 0)));
    return button;
  }));
  report.options(byId("timeline-node"), [...new Set(tries.map((each) => each.process.node))].sort().map((name) => [name, name]), "All nodes");
  byId("timeline-node").addEventListener("change", (event) => { node = event.target.value; firstRow = 0; update(); });
  byId("tries-order").addEventListener("change", table);
  byId("timeline-rows-before").addEventListener("click", () => { firstRow -= ROWS; draw(); });
  byId("timeline-rows-behind").addEventListener("click", () => { firstRow += ROWS; draw(); });
  byId("try-before").addEventListener("click", () => step(-1, () => true));
  byId("try-behind").addEventListener("click", () => step(1, () => true));
  byId("try-failed").addEventListener("click", () => step(1, (each) => each.status !== "succeeded"));
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const factor = Number(button.dataset.zoom);
      if (factor) {
        const [low, high] = (range || wide()).map((time) => (typeof time === "number" ? time : Date.parse(`${String(time).replace(" ", "T")}Z`)));
        const middle = chosen !== null && chosen.start !== null ? report.milliseconds(chosen.start) : (low + high) / 2;
        range = [middle - ((high - low) * factor) / 2, middle + ((high - low) * factor) / 2];
      } else range = null;
      draw();
    });
  }
  const chart = byId("timeline-chart");
  chart.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey && !event.altKey && move(event.key)) event.preventDefault(); });

  const draw = report.chart("timeline-chart", build);
  function update() { sayShown(); draw(); table(); }
  sayShown();
  table();
  for (const id of ["timeline-table", "try", "timeline-help"]) byId(id).hidden = !tries.length;
  document.querySelector("#timeline .controls").hidden = !tries.length;
  if (chart.on) {
    chart.on("plotly_hover", (event) => { if (!kept) choose(tries[event.points[0].customdata], false); });
    chart.on("plotly_click", (event) => choose(tries[event.points[0].customdata], true));
    chart.on("plotly_relayout", (change) => {
      if (change["xaxis.range[0]"] !== undefined) range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      else if (change["xaxis.autorange"]) { range = null; draw(); }
    });
  }
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; draw(); } });
  const first = tries.find((each) => each.status !== "succeeded" && each.status !== "running");
  if (first) choose(first, false);
}
