"use strict";
// The board as a picture: a dot and an interval for each entry on one scale, and scores against minutes.

const SVG = "http://www.w3.org/2000/svg";
const MOST_ROWS = 60, MOST_DOTS = 400;

function draw(parent, name, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text != null) node.textContent = text;
  return parent.appendChild(node);
}

// Round steps over a range: 1, 2 or 5 times a power of ten.
function ticks(low, high, most) {
  const rough = (high - low || 1) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found.length < 2 ? ticks(low, high, 2 * most) : found; // one number alone is no scale
}

function scale(values, from, to) {
  const low = Math.min(...values), high = Math.max(...values), margin = (high - low) * 0.06 || 1;
  const span = [low - margin, high + margin];
  const place = (value) => from + ((value - span[0]) / (span[1] - span[0])) * (to - from);
  return { place, span, values: ticks(...span, Math.max(2, Math.floor(Math.abs(to - from) / 55))) };
}

function drawPictures(rows) {
  rows = rows.filter((row) => row.state !== "refuted");
  const best = rows.filter((row) => row.rank != null).slice(0, MOST_ROWS);
  const rest = rows.filter((row) => row.rank == null);
  const shown = [...best, ...rest.slice(0, Math.max(0, MOST_ROWS - best.length))];
  $("pictures").hidden = shown.length < 2;
  if (shown.length < 2) return;
  const note = shown.length < rows.length ? ` ${say("b.picture.part", { most: shown.length, n: rows.length })}` : "";
  frame("intervals", say("b.picture"), say("b.picture.about") + note, (picture, width) => intervals(picture, width, shown));
  frame("against", say("b.against", { metric: board.metric.label }), say("b.against.about"),
    (picture, width) => against(picture, width, rows.slice(0, MOST_DOTS)));
  league.prepare($("pictures"));
}

function frame(id, title, about, fill) {
  const place = $(id);
  place.replaceChildren(make("h2", {}, title), make("div", { class: "picture" }), make("figcaption", {}, about));
  const box = place.querySelector(".picture"), width = Math.max(260, box.clientWidth);
  const picture = draw(box, "svg", { role: "group", "aria-label": title });
  const height = fill(picture, width);
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
}

function intervals(picture, width, rows) {
  const names = Math.min(190, width * 0.34), step = rows.length > 30 ? 17 : 24, top = 8;
  const x = scale(rows.flatMap((row) => [row.low, row.high]), names + 8, width - 52);
  const foot = top + step * rows.length + 4;
  for (const value of x.values) {
    draw(picture, "line", { x1: x.place(value), x2: x.place(value), y1: top, y2: foot, class: "grid" });
    draw(picture, "text", { x: x.place(value), y: foot + 16, class: "tick", "text-anchor": "middle" }, value);
  }
  rows.forEach((row, i) => {
    const y = top + step * (i + 0.5), before = rows[i - 1];
    if (before && row.rank !== before.rank && before.rank != null) {
      draw(picture, "line", { x1: 0, x2: width, y1: y - step / 2, y2: y - step / 2, class: row.rank == null ? "end" : "apart" });
    }
    const mark = draw(picture, "g", { "data-mark": row.id, class: row.rank == null ? "dot hollow" : "dot" });
    draw(mark, "rect", { x: 0, y: y - step / 2, width, height: step, class: "ground" });
    draw(mark, "line", { x1: x.place(row.low), x2: x.place(row.high), y1: y, y2: y });
    draw(mark, "circle", { cx: x.place(row.score), cy: y, r: 5 });
    const most = Math.floor(names / 7.4), name = row.name.length > most ? `${row.name.slice(0, most - 1)}…` : row.name;
    draw(mark, "text", { x: names, y: y + 4, "text-anchor": "end" }, name);
    draw(mark, "text", { x: width - 2, y: y + 4, "text-anchor": "end", class: "value" }, number(row.score, 2));
  });
  return foot + 24;
}

function against(picture, width, rows) {
  const height = Math.max(300, Math.min(460, width * 0.75, 24 * rows.length)), left = 44, foot = height - 42;
  const x = scale(rows.map((row) => row.minutes), left, width - 14);
  const y = scale(rows.map((row) => row.score), foot, 12);
  for (const value of x.values) {
    draw(picture, "line", { x1: x.place(value), x2: x.place(value), y1: 12, y2: foot, class: "grid" });
    draw(picture, "text", { x: x.place(value), y: foot + 16, class: "tick", "text-anchor": "middle" }, value);
  }
  for (const value of y.values) {
    draw(picture, "line", { x1: left, x2: width - 14, y1: y.place(value), y2: y.place(value), class: "grid" });
    draw(picture, "text", { x: left - 6, y: y.place(value) + 4, class: "tick", "text-anchor": "end" }, value);
  }
  draw(picture, "text", { x: (left + width) / 2, y: height - 6, class: "tick", "text-anchor": "middle" }, say("b.axis.minutes"));
  for (const row of [...rows].reverse()) {
    draw(picture, "circle", { cx: x.place(row.minutes), cy: y.place(row.score), r: 5.5, "data-mark": row.id,
      class: row.rank == null ? "dot hollow" : "dot" });
  }
  return height;
}
