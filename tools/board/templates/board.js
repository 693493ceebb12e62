"use strict";
// Every text here may be a stranger's: it enters the page as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const CHUNK = 100, MOST_PRINTED = 1000;
const STATES = ["verified", "claimed", "late", "open", "copy", "refuted"];
const $ = (id) => document.getElementById(id);
const say = league.say;

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
  value == null ? "–" : typeof value === "number" && value > 0 && value <= 1e-3 ? value.toExponential() : String(value);

// ---- Columns: how a value is shown, and by what it is sorted

const columnsOf = (board) => [
  { key: "rank", title: say("b.rank"), ranked: true, of: (row) => row.rank, show: (row) => row.rank + (row.tied ? " =" : "") },
  { key: "name", title: say("b.entry"), words: true, kind: "entry", of: (row) => row.name, show: nameOf },
  { key: "score", title: board.metric.label, falling: true, of: (row) => row.score, show: scoreOf },
  { key: "state", title: say("b.state"), words: true, kind: "brief", of: (row) => STATES.indexOf(row.state), show: stateOf },
  { key: "report", title: say("b.report"), of: (row) => (row.report ? 0 : 1), show: reportOf },
  { key: "why", title: say("b.why"), words: true, unranked: true, less: true, kind: "why", of: whyOf, show: whyOf, stays: true },
  { key: "minutes", title: say("b.minutes"), less: true, of: (row) => row.minutes, show: (row) => number(row.minutes, 1) },
  { key: "game", title: say("b.game"), words: true, less: true, of: gameOf, show: gameOf },
  ...board.names.map((name, i) => ({ key: name, title: name, less: true, of: (row) => row.values[i],
    show: (row) => plain(row.values[i]) })),
  { key: "seeds", title: say("b.seeds"), falling: true, less: true, of: (row) => row.seeds,
    show: (row) => (row.seeds > 1 ? say("b.seeds.mean", { n: row.seeds, mean: number(row.mean, 2) }) : "1") },
  { key: "trials", title: say("b.trials"), less: true, of: (row) => row.trials, show: (row) => plain(row.trials) },
  { key: "openings", title: say("b.openings"), less: true, of: (row) => row.openings, show: (row) => plain(row.openings) },
  { key: "device", title: say("b.device"), words: true, less: true, of: (row) => row.device, show: (row) => row.device },
];

function gameOf(row) {
  return row.game ? row.game.name : say("b.practice");
}

function nameOf(row) {
  return make("button", { type: "button", class: "name", onclick: () => showDetails(row) }, row.name);
}

function scoreOf(row) {
  const interval = make("span", { class: "interval" }, ` ${number(row.low, 1)}–${number(row.high, 1)}`);
  return make("span", {}, number(row.score, 2), interval);
}

function stateOf(row) {
  return make("span", { class: `state ${row.state}` }, say(`state.${row.state}`));
}

function whyOf(row) {
  const why = (row.why || []).map(league.inLanguage);
  return why.length > 1 ? `${why[0].replace(/\.$/, "")}; ${say("b.more", { n: why.length - 1 })}` : why.join("");
}

function reportOf(row) {
  return row.report ? make("a", { href: `reports/${row.id}.html`, "aria-label": `${say("b.report")}: ${row.name}` }, say("b.report")) : "";
}

// ---- One table: sorted, filtered, a chunk of rows at a time; what is the same in all its rows is folded away

class Table {
  constructor(place, titleKey, isRanked) {
    this.place = place;
    this.titleKey = titleKey;
    this.isRanked = isRanked;
    this.sorted = { key: isRanked ? "rank" : "score", falling: !isRanked };
    this.rows = [];
    this.isUnfolded = false;
    this.more = make("button", { type: "button", class: "more-rows", onclick: () => this.addRows(CHUNK) });
    new IntersectionObserver((seen) => seen[0].isIntersecting && this.addRows(CHUNK)).observe(this.more);
  }

  show(rows) {
    this.rows = rows;
    this.place.hidden = rows.length === 0;
    this.build();
    this.sort();
  }

  build() {
    const has = (column) => column.key !== "report" || this.rows.some((row) => row.report);
    const all = columnsOf(board).filter((column) => has(column) && (this.isRanked ? !column.unranked : !column.ranked));
    const agrees = (column) => column.less && !column.stays &&
      this.rows.every((row) => column.of(row) === column.of(this.rows[0]));
    this.all = all;
    const folded = this.rows.length ? all.filter(agrees) : [];
    this.columns = this.isUnfolded ? all : all.filter((column) => !folded.includes(column));
    this.body = make("tbody");
    this.heads = new Map();
    const head = make("tr", {}, make("th", { class: "choose", scope: "col" }, say("b.compare")));
    for (const column of this.columns) {
      const button = make("button", { type: "button", onclick: () => this.sortBy(column) }, column.title);
      const cell = make("th", { scope: "col", "aria-sort": "none", class: classOf(column) }, button);
      this.heads.set(column.key, cell);
      head.append(cell);
    }
    const table = make("table", {}, make("thead", {}, head), this.body);
    const title = say(this.titleKey);
    const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table, this.more);
    const values = folded.map((column) => `${column.title} ${plainText(column.show(this.rows[0]))}`);
    const fold = folded.length ? make("p", { class: "quiet folded" },
      this.isUnfolded ? null : `${say("b.same", { n: this.rows.length })} ${values.join(", ")}. `,
      make("button", { type: "button", onclick: () => this.unfold() },
        say(this.isUnfolded ? "b.fold" : "b.unfold"))) : null;
    this.place.replaceChildren(...[make("h2", {}, title), scroll, fold].filter(Boolean));
  }

  unfold() {
    this.isUnfolded = !this.isUnfolded;
    this.show(this.rows);
    this.place.querySelector(".folded button").focus();
  }

  sortBy(column) {
    const again = this.sorted.key === column.key;
    this.sorted = { key: column.key, falling: again ? !this.sorted.falling : Boolean(column.falling) };
    this.sort();
  }

  sort() {
    // A search may leave no row that has what was sorted by.
    const column = this.all.find((one) => one.key === this.sorted.key) || this.all[0];
    const { key } = column, { falling } = this.sorted;
    const keyed = this.rows.map((row, i) => ({ row, i, by: column.of(row) }));
    keyed.sort((one, other) => league.order(one.by, other.by, falling) || one.i - other.i);
    this.rows = keyed.map((one) => one.row);
    if ($("group").value === "game") {
      const games = [...new Set(this.rows.map(gameKey))];
      this.rows.sort((one, other) => games.indexOf(gameKey(one)) - games.indexOf(gameKey(other)));
    }
    for (const [name, cell] of this.heads) {
      cell.setAttribute("aria-sort", name !== key ? "none" : falling ? "descending" : "ascending");
    }
    this.shown = 0;
    this.body.replaceChildren();
    this.addRows(CHUNK);
  }

  addRows(count) {
    const part = this.rows.slice(this.shown, this.shown + count);
    const isGrouped = $("group").value === "game";
    part.forEach((row, i) => {
      const before = i || this.shown ? this.rows[this.shown + i - 1] : null;
      if (isGrouped && (!before || gameKey(before) !== gameKey(row))) this.body.append(this.headingOf(row));
      this.body.append(this.rowOf(row));
    });
    this.shown += part.length;
    const left = this.rows.length - this.shown;
    this.more.hidden = left === 0;
    this.more.textContent = say("b.more", { n: left.toLocaleString("en") });
  }

  headingOf(row) {
    const words = row.game ? say("b.game.value", { ...row.game, minutes: number(row.game.minutes, 1) }) : say("b.practice");
    return make("tr", { class: "group" }, make("th", { colspan: this.columns.length + 1, scope: "rowgroup" }, words));
  }

  rowOf(row) {
    const label = say("b.compare.entry", { name: row.name });
    const box = make("input", { type: "checkbox", "aria-label": label, onchange: () => choose(row, box) });
    box.checked = chosen.includes(row);
    box.row = row;
    const cells = this.columns.map((column) => make("td", { class: classOf(column) }, column.show(row)));
    return make("tr", { "data-mark": row.id }, make("td", { class: "choose" }, box), ...cells);
  }
}

const gameKey = (row) => (row.game ? row.game.id : "");
const plainText = (shown) => (typeof shown === "string" ? shown : shown.textContent);

function classOf(column) {
  return [column.words && "words", column.less && "less", column.kind].filter(Boolean).join(" ") || null;
}

// ---- Search and filters

let board, ranked, unranked, chosen = [], visible = [];

function fill(select, options, all) {
  const before = select.value;
  const items = options.map(([value, text]) => make("option", { value }, text));
  select.replaceChildren(...(all ? [make("option", { value: "" }, all)] : []), ...items);
  select.parentNode.hidden = items.length < 2;
  if ([...select.options].some((one) => one.value === before)) select.value = before;
}

function pickLeague() {
  board = data.leagues[Number($("league").value) || 0];
  ranked = new Table($("ranked"), "b.ranked", true);
  unranked = new Table($("unranked"), "b.unranked", false);
  chosen = [];
  $("comparison").hidden = true;
  speakBoard();
}

// Everything that depends on the language.
function speakBoard() {
  const valuesOf = (of) => [...new Set(board.rows.map(of))];
  const states = valuesOf((row) => row.state);
  fill($("state"), STATES.filter((state) => states.includes(state)).map((state) => [state, say(`state.${state}`)]), say("b.all"));
  fill($("device"), valuesOf((row) => row.device).sort().map((device) => [device, device]), say("b.all"));
  const games = new Map(board.rows.map((row) => [gameKey(row) || "practice", gameOf(row)]));
  fill($("game"), [...games], say("b.all"));
  $("group").parentNode.hidden = games.size < 2;
  $("group").options[1].textContent = say("b.game");
  for (const row of board.rows) {
    const texts = [row.name, row.entry, row.state, say(`state.${row.state}`), row.device, gameOf(row), ...row.values,
      ...row.values.map(plain), ...(row.why || []).flat()];
    row.text = texts.filter((text) => text != null).join("\n").toLowerCase();
    row.numbers = new Set([...row.values, row.minutes, row.trials, row.seed].filter((one) => typeof one === "number"));
    league.marks[row.id] = Array(2).fill([row.name, valueText(row),
      say("b.minutes.value", { minutes: number(row.minutes, 1) }), say(`state.${row.state}`)].join("; "));
  }
  showChosen();
  filter();
}

function valueText(row) {
  const [score, low, high] = [row.score, row.low, row.high].map((one) => number(one, 2));
  return say("b.value", { metric: board.metric.label, score, low, high });
}

// A number is found however it is written: 3e-6, 0.000003, 3.0e-06.
function fits(row, word) {
  return row.text.includes(word) || (/\d/.test(word) && !Number.isNaN(Number(word)) && row.numbers.has(Number(word)));
}

function filter() {
  const wanted = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = $("state").value, device = $("device").value, game = $("game").value;
  visible = board.rows.filter((row) =>
    (!state || row.state === state) && (!device || row.device === device) &&
    (!game || (gameKey(row) || "practice") === game) && wanted.every((word) => fits(row, word)));
  ranked.show(visible.filter((row) => row.rank != null));
  unranked.show(visible.filter((row) => row.rank == null));
  if (!$("comparison").hidden && !compared.every((row) => visible.includes(row))) $("comparison").hidden = true;
  drawPictures(visible);
  $("about").textContent = league.inLanguage(board.about);
  const [n, shown] = [board.rows.length, visible.length];
  $("count").textContent = shown === n ? say("b.count", { n }) : say("b.count.of", { shown, n });
}

// ---- One entry

function showDetails(row) {
  const facts = [
    [board.metric.label, valueText(row)],
    [say("b.state"), say(`state.${row.state}`)], ...(row.why || []).map((reason) => [say("b.why"), league.inLanguage(reason)]),
    ...(row.notes || []).map((note) => [say("b.note"), league.inLanguage(note)]),
    ...(row.entry ? [[say("b.own_name"), row.entry]] : []),
    [say("b.game"), row.game ? say("b.game.value", { ...row.game, minutes: number(row.game.minutes, 1) }) : say("b.practice")],
    [say("b.seed"), plain(row.seed)],
    [say("b.played"), row.seeds > 1 ? say("b.seeds.mean", { n: row.seeds, mean: number(row.mean, 2) }) : say("b.this_seed")],
    ...board.names.map((name, i) => [name, plain(row.values[i])]),
    [say("b.minutes"), number(row.minutes, 2)], [say("b.trials"), plain(row.trials)],
    [say("b.openings"), plain(row.openings)], [say("b.device"), row.device],
  ];
  const rows = facts.map(([name, text]) => make("tr", {}, make("th", { scope: "row" }, name),
    make("td", { class: "words" }, text)));
  const title = row.rank == null ? row.name : say(row.tied ? "b.place.shared" : "b.place", { rank: row.rank, name: row.name });
  $("details").replaceChildren(
    make("h2", { id: "details-title", tabindex: "-1", autofocus: true }, title),
    make("table", {}, make("tbody", {}, ...rows)),
    make("p", {}, row.report ? reportOf(row) : null),
    make("button", { type: "button", onclick: () => $("details").close() }, say("b.close")));
  $("details").showModal();
}

// ---- Begin

if (data.leagues.length) {
  fill($("league"), data.leagues.map((one, i) => [String(i), `${one.name} (${one.rows.length})`]));
  $("league").addEventListener("change", pickLeague);
  for (const id of ["search", "state", "device", "game", "group"]) $(id).addEventListener("input", filter);
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("controls").hidden = false;
  pickLeague();
  league.onLanguage(() => { speakBoard(); if (!$("comparison").hidden) compareChosen(); });
  window.addEventListener("beforeprint", () => {
    for (const table of [ranked, unranked]) table.addRows(MOST_PRINTED - table.shown);
  });
  window.addEventListener("resize", () => drawPictures(visible));
}
