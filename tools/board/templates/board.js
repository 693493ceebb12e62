"use strict";
// Every text here may be a stranger's: it enters the page as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const CHUNK = 100, MOST_PRINTED = 1000;
const STATES = ["verified", "claimed", "late", "open", "copy", "refuted"];
const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const number = (value, digits) => (value == null ? "–" : value.toFixed(digits));
const plain = (value) =>
  value == null ? "–" : typeof value === "number" && value > 0 && value < 1e-3 ? value.toExponential() : String(value);

// ---- Columns: how a value is shown, and by what it is sorted

const columnsOf = (league) => [
  { key: "rank", title: "Rank", ranked: true, of: (row) => row.rank, show: (row) => row.rank + (row.tied ? " =" : "") },
  { key: "name", title: "Entry", words: true, of: (row) => row.name, show: nameOf },
  { key: "score", title: league.metric.label, falling: true, of: (row) => row.score, show: scoreOf },
  { key: "state", title: "State", words: true, of: (row) => STATES.indexOf(row.state), show: stateOf },
  { key: "why", title: "Why", words: true, unranked: true, less: true, kind: "why", of: (row) => whyOf(row), show: whyOf },
  { key: "seeds", title: "Seeds", falling: true, less: true, of: (row) => row.seeds,
    show: (row) => (row.seeds > 1 ? `${row.seeds}, mean ${number(row.mean, 2)}` : "1") },
  ...league.names.map((name, i) => ({ key: name, title: name, less: true, of: (row) => row.values[i],
    show: (row) => plain(row.values[i]) })),
  { key: "minutes", title: "Minutes", less: true, of: (row) => row.minutes, show: (row) => number(row.minutes, 1) },
  { key: "trials", title: "Trials", less: true, of: (row) => row.trials, show: (row) => plain(row.trials) },
  { key: "openings", title: "Test openings", less: true, of: (row) => row.openings, show: (row) => plain(row.openings) },
  { key: "device", title: "Device", words: true, less: true, of: (row) => row.device, show: (row) => row.device },
  { key: "report", title: "Report", less: true, of: (row) => (row.report ? 0 : 1), show: reportOf },
];

function nameOf(row) {
  return make("button", { type: "button", class: "name", onclick: () => showDetails(row) }, row.name);
}

function scoreOf(row) {
  const interval = make("span", { class: "interval" }, ` ${number(row.low, 1)}–${number(row.high, 1)}`);
  const cell = make("span", {}, number(row.score, 2));
  cell.append(interval);
  return cell;
}

function stateOf(row) {
  return make("span", { class: `state ${row.state}` }, row.state);
}

function whyOf(row) {
  const why = row.why || [];
  return why.length > 1 ? `${why[0]}; and ${why.length - 1} more` : why.join("");
}

function reportOf(row) {
  return row.report ? make("a", { href: `reports/${row.id}.html` }, "report") : "";
}

// ---- One table: sorted, filtered, a chunk of rows at a time

class Table {
  constructor(place, title, isRanked) {
    this.place = place;
    this.columns = columnsOf(league).filter((column) => (isRanked ? !column.unranked : !column.ranked));
    this.sorted = { key: isRanked ? "rank" : "score", falling: !isRanked };
    this.rows = [];
    this.body = make("tbody");
    this.heads = new Map();
    const head = make("tr", {}, make("th", { class: "choose" }, make("span", { class: "quiet" }, "Compare")));
    for (const column of this.columns) {
      const button = make("button", { type: "button", onclick: () => this.sortBy(column) }, column.title);
      const cell = make("th", { scope: "col", "aria-sort": "none", class: classOf(column) }, button);
      this.heads.set(column.key, cell);
      head.append(cell);
    }
    const table = make("table", {}, make("thead", {}, head), this.body);
    this.scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table);
    this.more = make("button", { type: "button", class: "more-rows", onclick: () => this.addRows(CHUNK) });
    new IntersectionObserver((seen) => seen[0].isIntersecting && this.addRows(CHUNK)).observe(this.more);
    place.replaceChildren(make("h2", {}, title), this.scroll);
    this.scroll.append(this.more);
  }

  show(rows) {
    this.rows = rows;
    this.place.hidden = rows.length === 0;
    this.sort();
  }

  sortBy(column) {
    const again = this.sorted.key === column.key;
    this.sorted = { key: column.key, falling: again ? !this.sorted.falling : Boolean(column.falling) };
    this.sort();
  }

  sort() {
    const { key, falling } = this.sorted;
    const column = this.columns.find((one) => one.key === key);
    const keyed = this.rows.map((row, i) => ({ row, i, by: column.of(row) }));
    keyed.sort((one, other) => compareValues(one.by, other.by, falling) || one.i - other.i);
    this.rows = keyed.map((one) => one.row);
    for (const [name, cell] of this.heads) {
      cell.setAttribute("aria-sort", name !== key ? "none" : falling ? "descending" : "ascending");
    }
    this.shown = 0;
    this.body.replaceChildren();
    this.addRows(CHUNK);
  }

  addRows(count) {
    const part = this.rows.slice(this.shown, this.shown + count);
    this.body.append(...part.map((row) => this.rowOf(row)));
    this.shown += part.length;
    const left = this.rows.length - this.shown;
    this.more.hidden = left === 0;
    this.more.textContent = `${left.toLocaleString("en")} more`;
  }

  rowOf(row) {
    const box = make("input", { type: "checkbox", "aria-label": `Compare ${row.name}`, onchange: () => choose(row, box) });
    box.checked = chosen.includes(row);
    const cells = this.columns.map((column) => make("td", { class: classOf(column) }, column.show(row)));
    return make("tr", {}, make("td", { class: "choose" }, box), ...cells);
  }
}

function classOf(column) {
  return [column.words && "words", column.less && "less", column.kind].filter(Boolean).join(" ") || null;
}

const byText = new Intl.Collator("en", { numeric: true });

function compareValues(one, other, falling) {
  if (one == null || other == null) return (one == null) - (other == null);
  const order = typeof one === "number" && typeof other === "number"
    ? one - other : byText.compare(String(one), String(other));
  return falling ? -order : order;
}

// ---- Search and filters

let ranked, unranked, league, chosen = [];

function fill(select, options, all) {
  const items = options.map(([value, text]) => make("option", { value }, text));
  select.replaceChildren(...(all ? [make("option", { value: "" }, all)] : []), ...items);
  select.parentNode.hidden = items.length < 2;
}

function pickLeague() {
  league = data.leagues[Number($("league").value) || 0];
  ranked = new Table($("ranked"), "Ranked", true);
  unranked = new Table($("unranked"), "Not ranked", false);
  const valuesOf = (of) => [...new Set(league.rows.map(of))];
  const states = valuesOf((row) => row.state);
  fill($("state"), STATES.filter((state) => states.includes(state)).map((state) => [state, state]), "all");
  fill($("device"), valuesOf((row) => row.device).sort(byText.compare).map((device) => [device, device]), "all");
  for (const row of league.rows) {
    const texts = [row.name, row.entry, row.state, row.device, ...row.values, ...(row.why || [])];
    row.text = texts.filter((text) => text != null).join("\n").toLowerCase();
  }
  chosen = [];
  showChosen();
  $("comparison").hidden = true;
  filter();
}

function filter() {
  const wanted = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = $("state").value, device = $("device").value;
  const rows = league.rows.filter((row) =>
    (!state || row.state === state) && (!device || row.device === device) &&
    wanted.every((word) => row.text.includes(word)));
  ranked.show(rows.filter((row) => row.rank != null));
  unranked.show(rows.filter((row) => row.rank == null));
  $("about").textContent = league.about;
  const all = league.rows.length.toLocaleString("en");
  const noun = league.rows.length === 1 ? "entry" : "entries";
  $("count").textContent = rows.length === league.rows.length
    ? `${all} ${noun}` : `${rows.length.toLocaleString("en")} of ${all} ${noun}`;
}

// ---- One entry

function showDetails(row) {
  const facts = [
    [league.metric.label, `${number(row.score, 2)}, 95 % interval ${number(row.low, 2)} to ${number(row.high, 2)}`],
    ["State", row.state], ...(row.why || []).map((reason) => ["Why", reason]),
    ...(row.notes || []).map((note) => ["Note", note]),
    ...(row.entry ? [["Its own name", row.entry]] : []),
    ["Seed", plain(row.seed)],
    ["Played with", row.seeds > 1 ? `${row.seeds} seeds, mean ${league.metric.label} ${number(row.mean, 2)}` : "this seed alone"],
    ...league.names.map((name, i) => [name, plain(row.values[i])]),
    ["Minutes", number(row.minutes, 2)], ["Trials", plain(row.trials)], ["Test set opened", plain(row.openings)],
    ["Device", row.device],
  ];
  const rows = facts.map(([name, text]) => make("tr", {}, make("th", { scope: "row" }, name),
    make("td", { class: "words" }, text)));
  $("details").replaceChildren(
    make("h2", { id: "details-title", tabindex: "-1", autofocus: true }, (row.rank == null ? "" : `${row.rank}${row.tied ? " =" : ""}. `) + row.name),
    make("table", {}, make("tbody", {}, ...rows)),
    make("p", {}, row.report ? reportOf(row) : null),
    make("button", { type: "button", onclick: () => $("details").close() }, "Close"));
  $("details").showModal();
}

// ---- Begin

if (data.leagues.length) {
  fill($("league"), data.leagues.map((one, i) => [String(i), `${one.name} (${one.rows.length})`]));
  $("league").addEventListener("change", pickLeague);
  for (const id of ["search", "state", "device"]) $(id).addEventListener("input", filter);
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("controls").hidden = false;
  pickLeague();
  window.addEventListener("beforeprint", () => {
    for (const table of [ranked, unranked]) table.addRows(MOST_PRINTED - table.shown);
  });
}
