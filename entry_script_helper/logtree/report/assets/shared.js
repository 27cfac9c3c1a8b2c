"use strict";
/* What the page's parts share: the data, elements made of text, times, colours, pages of rows, charts. */
const report = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const redraws = [];
  let scheme = null; // "light" while the page is printed

  const byId = (id) => document.getElementById(id);

  /* An element whose texts are texts: nothing of a log is ever parsed as markup. */
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "class") made.className = value;
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== "").map((child) => (child instanceof Node ? child : document.createTextNode(child))));
    return made;
  }

  const fill = (id, ...children) => byId(id).replaceChildren(...children.flat().map((child) => (child instanceof Node ? child : document.createTextNode(child))));
  const count = (number) => number.toLocaleString("en-US");
  const plural = (number, name, many) => `${count(number)} ${number === 1 ? name : many || `${name}s`}`;
  const moment = (time) => (time === null ? "" : new Date(time * 1000).toISOString().replace("T", " ").replace("Z", ""));
  const clock = (time) => moment(time).slice(11);
  const milliseconds = (time) => Math.round(time * 1000);

  function span(seconds) {
    if (seconds === null) return "";
    if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
    const whole = Math.round(seconds);
    const pad = (part) => String(part).padStart(2, "0");
    return `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
  }

  /* Text for plotly, which takes some tags and entities for markup. */
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\s+/g, " ");
  const shorten = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  /* A text of a log as one word of a command: somebody will paste it into a shell. */
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\"'\"'")}'`);
  const command = (more) => element("span", { class: "code" }, `entry-script-helper logs ${data.paths}${more || ""}`);

  const nodes = [...new Set(data.processes.map((process) => process.node))].filter((node) => node).sort();
  function processName(process) {
    return process.name || (process.pid === null ? "unknown process" : `process ${process.pid}`);
  }
  function processLabel(process) {
    const pid = process.name && process.pid !== null ? ` (${process.pid})` : "";
    return `${processName(process)}${pid}${nodes.length > 1 && process.node ? ` on ${process.node}` : ""}`;
  }
  const isSame = (one, other) =>
    one.node === other.node && (one.pid !== null && other.pid !== null ? one.pid === other.pid : one.name === other.name && one.name !== "");

  /* A page's colours are the style sheet's, so that there is one place for light and dark. */
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  const canvas = document.createElement("canvas").getContext("2d");
  function width(text, size) {
    canvas.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
    return canvas.measureText(text).width;
  }
  /* Text that takes no more room than this, in pixels. */
  function fitting(text, size, room) {
    let most = text.length;
    while (most > 1 && width(shorten(text, most), size) > room) most -= 1;
    return shorten(text, most);
  }

  function options(select, values, first) {
    select.replaceChildren(...[["", first], ...values].map(([value, text]) => element("option", { value }, text)));
    select.closest("label").hidden = values.length < 2;
  }

  /* Rows in pages: shows the buttons and where one is. */
  function pager(container, size, draw) {
    let page = 0;
    let total = 0;
    const say = element("span", { role: "status" });
    const button = (text, label, go) => element("button", { type: "button", "aria-label": label, onclick: () => { page = go(); update(); } }, text);
    const last = () => Math.max(0, Math.ceil(total / size) - 1);
    const buttons = [
      button("«", "First page", () => 0),
      button("‹", "Previous page", () => Math.max(0, page - 1)),
      say,
      button("›", "Next page", () => Math.min(last(), page + 1)),
      button("»", "Last page", () => last()),
    ];
    container.replaceChildren(...buttons);
    function update() {
      container.hidden = total <= size;
      say.textContent = total ? `Page ${count(page + 1)} of ${count(last() + 1)}` : "";
      [0, 1].forEach((place) => { buttons[place].disabled = page === 0; });
      [3, 4].forEach((place) => { buttons[place].disabled = page === last(); });
      draw(page * size, Math.min(total, (page + 1) * size));
    }
    return (members) => { total = members; page = 0; update(); };
  }

  function layout(base, more) {
    const line = colour("line");
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickcolor: line, automargin: false, fixedrange: false };
    return {
      ...base, ...more,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("muted") },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 56, r: 12, t: 8, b: 44, ...(more.margin || {}) },
      hoverlabel: { bgcolor: colour("ink"), bordercolor: colour("ink"), font: { color: colour("paper"), size: 12 }, align: "left" },
      hovermode: "closest", showlegend: Boolean(more.showlegend),
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      xaxis: { ...axis, ...base.xaxis, ...(more.xaxis || {}) },
      yaxis: { ...axis, ...base.yaxis, ...(more.yaxis || {}) },
    };
  }

  const config = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false, displaylogo: false };

  /* Draws now, and again whenever the colours change. */
  function chart(id, build) {
    const place = byId(id);
    const draw = () => {
      const built = build();
      place.hidden = built === null;
      if (built === null) return;
      Plotly.react(place, built.data, built.layout, config);
      // The chart's own label tells what they show; the one below the body is plotly's, to measure text with.
      for (const picture of [...place.querySelectorAll("svg"), ...document.querySelectorAll("body > svg")]) picture.setAttribute("aria-hidden", "true");
    };
    redraws.push(draw);
    draw();
    return draw;
  }

  function recolour(forced) {
    scheme = forced;
    if (forced) document.documentElement.dataset.scheme = forced;
    else delete document.documentElement.dataset.scheme;
    redraws.forEach((draw) => draw());
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolour(scheme));
  addEventListener("beforeprint", () => recolour("light"));
  addEventListener("afterprint", () => recolour(null));

  return { data, byId, element, fill, count, plural, moment, clock, milliseconds, span, plain, shorten, quoted, command, nodes, processName, processLabel, isSame, colour, width, fitting, options, pager, layout, chart };
})();
