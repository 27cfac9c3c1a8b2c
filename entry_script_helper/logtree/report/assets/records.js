"use strict";
/* The records: found by text, level, node, process and time, a page at a time. */
{
  const { data, byId, element, count, plural } = report;
  const PAGE = 50;
  const ERRORS = new Set(["ERROR", "CRITICAL", "FATAL"]);
  const WARNINGS = new Set(["WARNING", "WARN"]);
  const records = data.records.map(([time, level, process, text, logger, path, offset]) => ({
    time, level: data.texts[level], process: data.processes[process], text, logger: data.texts[logger], path: data.texts[path], offset, words: null,
  }));
  let span = null; // of a chosen try: its process, from, to
  let found = records;
  let wanted = [];

  /* What was kept of how many, in words. */
  function sayKept() {
    const all = Object.values(data.recordCounts).reduce((sum, [, there]) => sum + there, 0);
    if (!all) { byId("records-kept").textContent = "The tree has no record."; return; }
    if (records.length === all) { byId("records-kept").textContent = `${plural(all, "record")}, all of them here.`; return; }
    const parts = Object.entries(data.recordCounts).filter(([, [, there]]) => there).map(([name, [kept, there]]) => (kept === there ? `all ${count(there)} ${name}` : `${count(kept)} of ${count(there)} ${name}`));
    report.fill("records-kept", `${count(records.length)} of ${count(all)} records shown: ${parts.join(", ")}. Where not all are, the first, the last and an even selection of those between are. All: `, report.command());
  }

  const wordsOf = (record) => (record.words ??= `${record.text}\n${record.logger}\n${record.path}`.toLowerCase());

  function filter() {
    wanted = byId("filter-text").value.toLowerCase().split(/\s+/).filter((word) => word);
    const level = byId("filter-level").value;
    const node = byId("filter-node").value;
    const process = byId("filter-process").value;
    const hasLevel = level === "" ? () => true : level === "errors" ? (record) => ERRORS.has(record.level) : level === "warnings" ? (record) => ERRORS.has(record.level) || WARNINGS.has(record.level) : (record) => `=${record.level}` === level;
    const only = process === "" ? null : data.processes[Number(process)];
    found = records.filter((record) => hasLevel(record) && (!node || record.process.node === node) && (only === null || record.process === only)
      && (span === null || (report.isSame(record.process, span.process) && record.time !== null && record.time >= span.from && record.time <= span.to))
      && wanted.every((word) => wordsOf(record).includes(word)));
    byId("filter-time").hidden = span === null;
    pageOfRecords(found.length);
  }

  /* Text with the words that were looked for marked. */
  function marked(text) {
    if (!wanted.length) return [text];
    const parts = [];
    const low = text.toLowerCase();
    let at = 0;
    while (parts.length < 60 && low.length === text.length) {
      const next = wanted.map((word) => [low.indexOf(word, at), word.length]).filter(([place]) => place >= 0).sort(([one], [other]) => one - other)[0];
      if (!next) break;
      parts.push(text.slice(at, next[0]), element("mark", {}, text.slice(next[0], next[0] + next[1])));
      at = next[0] + next[1];
    }
    return [...parts, text.slice(at)];
  }

  function message(record) {
    const first = report.shorten(record.text.split("\n", 1)[0], 300);
    const where = `${record.path}, from byte ${count(record.offset)}${record.logger ? `; logger ${record.logger}` : ""}`;
    return element("details", {}, element("summary", {}, marked(first), record.text.includes("\n") ? element("span", { class: "more" }, ` + ${plural(record.text.split("\n").length - 1, "line")}`) : null),
      element("pre", {}, marked(record.text)), element("p", { class: "muted small" }, where));
  }

  const pageOfRecords = report.pager(byId("records-pager"), PAGE, (from, to) => {
    report.fill("records-rows", found.slice(from, to).map((record) => element("tr", { role: "row", class: ERRORS.has(record.level) ? "severe" : "" },
      element("td", { role: "cell", class: "time" }, element("span", { class: "day" }, report.moment(record.time).slice(0, 10)), " ", report.clock(record.time)),
      element("td", { role: "cell" }, report.levelName(record.level)),
      element("td", { role: "cell", class: "process" }, report.processLabel(record.process)),
      element("td", { role: "cell", class: "message" }, message(record)))));
    byId("records-count").textContent = found.length
      ? `Records ${count(from + 1)} to ${count(to)} of ${count(found.length)} that match${found.length < records.length ? `, of ${count(records.length)} on this page` : ""}.`
      : `No record on this page matches, of ${count(records.length)}.`;
  });

  report.showRecords = (process, from, to) => {
    byId("filters").reset();
    span = { process, from: from - 0.001, to: (to === null ? Infinity : to) + 0.001 };
    byId("filter-time-clear").textContent = `${report.processLabel(process)}, from ${report.clock(from)}${to === null ? "" : ` to ${report.clock(to)}`} ✕`;
    byId("filter-time-clear").setAttribute("aria-label", `Only ${report.processLabel(process)}, from ${report.clock(from)}${to === null ? "" : ` to ${report.clock(to)}`}: remove this filter`);
    filter();
    byId("records").scrollIntoView();
    byId("filter-time-clear").focus({ preventScroll: true });
  };

  const levels = [...new Set(records.map((record) => record.level))].filter((level) => level).sort();
  report.options(byId("filter-level"), [["warnings", "Warnings and errors"], ["errors", "Errors"], ...levels.map((level) => [`=${level}`, level])], "All levels");
  report.options(byId("filter-node"), [...new Set(records.map((record) => record.process.node))].filter((node) => node).sort().map((node) => [node, node]), "All nodes");
  const byName = new Intl.Collator("en", { numeric: true });
  const processes = [...new Set(records.map((record) => record.process))].map((process) => [String(data.processes.indexOf(process)), report.processLabel(process)]);
  report.options(byId("filter-process"), processes.sort(([, one], [, other]) => byName.compare(one, other)), "All processes");

  let waiting = 0;
  byId("filter-text").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  for (const id of ["filter-level", "filter-node", "filter-process"]) byId(id).addEventListener("change", filter);
  byId("filters").addEventListener("reset", () => { span = null; setTimeout(filter); });
  byId("filters").addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  byId("filter-time-clear").addEventListener("click", () => { span = null; filter(); byId("filter-text").focus(); });
  sayKept();
  filter();
}
