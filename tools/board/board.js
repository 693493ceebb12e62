"use strict";
// Every text here may be a stranger's: it enters the page as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const CHUNK = 100, MOST_PRINTED = 1000, MOST_PAIRS = 50;
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

const COLUMNS = [
  { key: "rank", title: "Rank", ranked: true, of: (row) => row.rank, show: (row) => row.rank + (row.tied ? " =" : "") },
  { key: "name", title: "Entry", words: true, of: (row) => row.name, show: nameOf },
  { key: "bleu", title: "BLEU", falling: true, of: (row) => row.bleu, show: scoreOf },
  { key: "state", title: "State", words: true, of: (row) => STATES.indexOf(row.state), show: stateOf },
  { key: "why", title: "Why", words: true, unranked: true, less: true, kind: "why", of: (row) => whyOf(row), show: whyOf },
  { key: "seeds", title: "Seeds", falling: true, less: true, of: (row) => row.seeds,
    show: (row) => (row.seeds > 1 ? `${row.seeds}, mean ${number(row.mean, 2)}` : "1") },
  ...data.names.map((name, i) => ({ key: name, title: name, less: true, of: (row) => row.values[i],
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
  const cell = make("span", {}, number(row.bleu, 2));
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
    this.columns = COLUMNS.filter((column) => (isRanked ? !column.unranked : !column.ranked));
    this.sorted = { key: isRanked ? "rank" : "bleu", falling: !isRanked };
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
  const told = (of) => [...new Set(league.rows.map(of))];
  const states = told((row) => row.state);
  fill($("state"), STATES.filter((state) => states.includes(state)).map((state) => [state, state]), "all");
  fill($("device"), told((row) => row.device).sort(byText.compare).map((device) => [device, device]), "all");
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
    ["BLEU", `${number(row.bleu, 2)}, 95 % interval ${number(row.low, 2)} to ${number(row.high, 2)}`],
    ["State", row.state], ...(row.why || []).map((reason) => ["Why", reason]),
    ...(row.notes || []).map((note) => ["Note", note]),
    ...(row.entry ? [["Its own name", row.entry]] : []),
    ["Seed", plain(row.seed)],
    ["Played with", row.seeds > 1 ? `${row.seeds} seeds, mean BLEU ${number(row.mean, 2)}` : "this seed alone"],
    ...data.names.map((name, i) => [name, plain(row.values[i])]),
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

// ---- Two entries

function choose(row, box) {
  chosen = chosen.filter((one) => one !== row);
  if (box.checked) chosen.push(row);
  if (chosen.length > 2) {
    chosen.shift();
    for (const table of [ranked, unranked]) {
      table.body.querySelectorAll("input").forEach((one, i) => { one.checked = chosen.includes(table.rows[i]); });
    }
  }
  showChosen();
}

function showChosen() {
  $("chosen").hidden = chosen.length === 0;
  $("chosen").replaceChildren(
    make("span", {}, chosen.map((row) => row.name).join(" and ") + (chosen.length === 1 ? ": choose another" : "")),
    make("button", { type: "button", disabled: chosen.length < 2, onclick: compareChosen }, "Compare"),
    make("button", { type: "button", onclick: () => {
      chosen = [];
      showChosen();
      document.querySelectorAll("td.choose input").forEach((box) => { box.checked = false; });
    } }, "Clear"));
}

const waiting = new Map(), loaded = new Map();

window.showEntry = (id, entry) => { loaded.set(id, entry); };

function load(row) {
  if (!row.data) return Promise.resolve(null);
  if (!waiting.has(row.id)) {
    waiting.set(row.id, new Promise((resolve) => {
      const done = () => resolve(loaded.get(row.id) || null);
      document.head.append(make("script", { src: `entries/${row.id}.js`, onload: done, onerror: done }));
    }));
  }
  return waiting.get(row.id);
}

async function compareChosen() {
  const sides = [...chosen].sort((one, other) => one.bleu - other.bleu);
  const place = $("comparison");
  const entries = await Promise.all(sides.map(load));
  const differing = [["seed", sides.map((row) => row.seed)],
    ...data.names.map((name, i) => [name, sides.map((row) => row.values[i])])].filter(([, [a, b]]) => a !== b);
  const lines = [["", ...sides.map((row) => row.name)],
    ["BLEU", ...sides.map((row) => number(row.bleu, 2))],
    ["95 % interval", ...sides.map((row) => `${number(row.low, 2)} to ${number(row.high, 2)}`)],
    ["state", ...sides.map((row) => row.state)],
    ...differing.map(([name, values]) => [name, ...values.map(plain)])];
  const table = make("table", {}, make("tbody", {}, ...lines.map(([name, ...texts], i) => make("tr", {},
    make("th", { scope: "row", class: "words" }, name),
    ...texts.map((text) => make(i ? "td" : "th", { class: "words" }, text))))));
  const parts = [make("h2", {}, `${sides[0].name} and ${sides[1].name}`), table];
  const [first, other] = entries;
  if (!first || !other || first.statistics.length !== other.statistics.length) {
    parts.push(make("p", {}, "Without the translations of both there is no paired test."));
  } else {
    const test = pairedTest(first.statistics, other.statistics);
    parts.push(make("p", { id: "verdict" }, verdict(test, sides)),
      make("p", { class: "quiet" }, `difference ${number(test.difference, 2)}; by chance over the sentences: `
        + `p = ${number(test.p, 4)} (approximate randomisation, ${data.trials.toLocaleString("en")} trials)`),
      ...pairs(first, other, sides));
  }
  place.replaceChildren(...parts);
  place.hidden = false;
  place.scrollIntoView();
  place.focus();
}

function verdict(test, sides) {
  const kind = test.p >= data.level ? "same" : league.reach == null ? "unknown"
    : league.reach >= Math.abs(test.difference) ? "seeds" : "real";
  return data.verdicts[kind].replace("{better}", () => sides[test.difference > 0 ? 1 : 0].name);
}

// BLEU of summed statistics: both lengths, then matched and all n-grams of four orders, as SacreBLEU smooths it.
function bleuOf(sums) {
  let logs = 0, smooth = 1, anyMatch = false;
  for (let n = 2; n < 6; n++) {
    if (sums[n + 4] === 0) return 0;
    if (sums[n] === 0) smooth /= 2; else anyMatch = true;
    logs += Math.log((sums[n] || smooth) / sums[n + 4]);
  }
  return anyMatch ? 100 * Math.exp(Math.min(0, 1 - sums[1] / sums[0]) + logs / 4) : 0;
}

function sumsOf(statistics) {
  const sums = new Float64Array(10);
  for (const counts of statistics) for (let k = 0; k < 10; k++) sums[k] += counts[k];
  return sums;
}

// Approximate randomisation, as league.comparison does it. For each 8 sentences, what each choice of them carries over
// is summed once, so that a trial costs an eighth.
function pairedTest(first, other) {
  const sums = [sumsOf(first), sumsOf(other)];
  const difference = bleuOf(sums[1]) - bleuOf(sums[0]);
  const moved = first.map((counts, i) => counts.map((count, k) => other[i][k] - count))
    .filter((counts) => counts.some((count) => count !== 0));
  const groups = [];
  for (let start = 0; start < moved.length; start += 8) {
    const table = new Float64Array(256 * 10);
    for (let choice = 1; choice < 256; choice++) {
      const bit = 31 - Math.clz32(choice), rest = choice ^ (1 << bit), counts = moved[start + bit];
      for (let k = 0; k < 10; k++) table[choice * 10 + k] = table[rest * 10 + k] + (counts ? counts[k] : 0);
    }
    groups.push(table);
  }
  const random = seeded(1), one = new Float64Array(10), two = new Float64Array(10);
  let asLarge = 0;
  for (let trial = 0; trial < data.trials; trial++) {
    one.set(sums[0]);
    two.set(sums[1]);
    let bits = 0;
    for (let group = 0; group < groups.length; group++) {
      if (group % 4 === 0) bits = random();
      const at = ((bits >>> (8 * (group % 4))) & 255) * 10, table = groups[group];
      for (let k = 0; k < 10; k++) { one[k] += table[at + k]; two[k] -= table[at + k]; }
    }
    if (Math.abs(bleuOf(two) - bleuOf(one)) >= Math.abs(difference) - 1e-9) asLarge++;
  }
  return { difference, p: (asLarge + 1) / (data.trials + 1) };
}

function seeded(state) {  // splitmix32
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

// ---- Their translations side by side, those that matter most for the score first

function pairs(first, other, sides) {
  const sums = sumsOf(first.statistics), base = bleuOf(sums);
  const differing = first.lines.map((line, i) => i).filter((i) => first.lines[i] !== other.lines[i]).map((i) => {
    const swapped = sums.map((sum, k) => sum - first.statistics[i][k] + other.statistics[i][k]);
    return { i, gain: bleuOf(swapped) - base };
  }).sort((one, two) => Math.abs(two.gain) - Math.abs(one.gain));
  const list = make("div");
  const more = make("button", { type: "button", class: "more-rows", onclick: () => add() });
  let shown = 0;
  function add() {
    list.append(...differing.slice(shown, shown + MOST_PAIRS).map(({ i, gain }) => pairOf(i, gain, first, other, sides)));
    shown = Math.min(differing.length, shown + MOST_PAIRS);
    more.hidden = shown === differing.length;
    more.textContent = `${differing.length - shown} more`;
  }
  add();
  return [make("h3", {}, `${differing.length} of ${first.lines.length} sentences differ`),
    make("p", { class: "quiet" }, "Those that move the score most come first. Words that only one of the two has are "
      + "underlined, once in the first and twice in the second."), list, more];
}

function pairOf(i, gain, first, other, sides) {
  const better = gain === 0 ? "the score does not change" : `${sides[gain > 0 ? 1 : 0].name} is better here, by `
    + `${Math.abs(gain).toFixed(3)} BLEU of the whole`;
  const [left, right] = differences(first.lines[i].split(" "), other.lines[i].split(" "));
  return make("div", { class: "pair" }, make("p", { class: "quiet" }, `line ${i + 1}: ${better}`),
    make("p", { class: "first" }, ...left), make("p", { class: "other" }, ...right));
}

// The longest common subsequence of words is plain, the rest marked.
function differences(one, other) {
  const most = 300;
  if (one.length > most || other.length > most) return [[make("mark", {}, one.join(" "))], [make("mark", {}, other.join(" "))]];
  const length = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      length[i][j] = one[i] === other[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const left = [], right = [];
  const add = (side, word, isMarked) => {
    const last = side[side.length - 1];
    if (last && last.isMarked === isMarked) last.words.push(word); else side.push({ words: [word], isMarked });
  };
  let i = 0, j = 0;
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      add(left, one[i++], false);
      add(right, other[j++], false);
    } else if (j >= other.length || (i < one.length && length[i + 1][j] >= length[i][j + 1])) {
      add(left, one[i++], true);
    } else {
      add(right, other[j++], true);
    }
  }
  return [left, right].map((side) => side.flatMap(({ words, isMarked }) =>
    [isMarked ? make("mark", {}, words.join(" ")) : words.join(" "), " "]));
}

// ---- Begin

if (data.leagues.length) {
  ranked = new Table($("ranked"), "Ranked", true);
  unranked = new Table($("unranked"), "Not ranked", false);
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
