"use strict";
// Two entries of the board side by side: what differs, the paired test, their predictions.

const MOST_PAIRS = 50;
let compared = [];

function choose(row, box) {
  chosen = chosen.filter((one) => one !== row);
  if (box.checked) chosen.push(row);
  if (chosen.length > 2) {
    chosen.shift();
    for (const one of document.querySelectorAll("td.choose input")) one.checked = chosen.includes(one.row);
  }
  showChosen();
}

function showChosen() {
  $("chosen").hidden = chosen.length === 0;
  $("chosen").replaceChildren(
    make("span", {}, chosen.length === 1 ? say("b.another", { name: chosen[0].name })
      : chosen.length ? say("b.and", { one: chosen[0].name, other: chosen[1].name }) : ""),
    make("button", { type: "button", disabled: chosen.length < 2, onclick: () => { compared = [...chosen]; compareChosen(true); } },
      say("b.compare")),
    make("button", { type: "button", onclick: () => {
      chosen = [];
      showChosen();
      document.querySelectorAll("td.choose input").forEach((box) => { box.checked = false; });
    } }, say("b.clear")));
}

const waiting = new Map(), loaded = new Map();

window.showEntry = (id, entry) => { loaded.set(id, entry); };

function load(id) {
  if (!id) return Promise.resolve(null);
  if (!waiting.has(id)) {
    waiting.set(id, new Promise((resolve) => {
      const done = () => resolve(loaded.get(id) || null);
      document.head.append(make("script", { src: `entries/${id}.js`, onload: done, onerror: done }));
    }));
  }
  return waiting.get(id);
}

async function compareChosen(isAsked) {
  const pair = compared, sides = [...compared].sort((one, other) => one.score - other.score);
  const place = $("comparison");
  const entries = await Promise.all(sides.map((row) => load(row.data ? row.id : null)));
  const test = await load(board.test);
  if (pair !== compared) return; // another pair was asked for meanwhile
  const differing = [[say("b.seed"), sides.map((row) => row.seed)],
    [say("b.game"), sides.map(gameOf)],
    ...board.names.map((name, i) => [name, sides.map((row) => row.values[i])])].filter(([, [a, b]]) => a !== b);
  const lines = [["", ...sides.map((row) => row.name)],
    [board.metric.label, ...sides.map((row) => number(row.score, 2))],
    [say("b.interval.name"), ...sides.map((row) => `${number(row.low, 2)} – ${number(row.high, 2)}`)],
    [say("b.minutes"), ...sides.map((row) => number(row.minutes, 1))],
    [say("b.state"), ...sides.map((row) => say(`state.${row.state}`))],
    ...differing.map(([name, values]) => [name, ...values.map(plain)])];
  const table = make("table", {}, make("tbody", {}, ...lines.map(([name, ...texts], i) => make("tr", {},
    make(i ? "th" : "td", { scope: i ? "row" : null, class: "words" }, name),
    ...texts.map((text) => make(i ? "td" : "th", { scope: i ? null : "col", class: "words" }, text))))));
  const parts = [make("h2", {}, say("b.and", { one: sides[0].name, other: sides[1].name })), table];
  const [first, other] = entries;
  if (!first || !other || first.statistics.length !== other.statistics.length) {
    parts.push(make("p", {}, say("b.no_test")));
  } else if (!VALUES[board.metric.name]) {
    parts.push(make("p", {}, say("b.no_test.metric", { metric: board.metric.label })));
  } else {
    const result = pairedTest(first.statistics, other.statistics);
    const [difference, p] = [number(result.difference, 2), number(result.p, 4)];
    parts.push(make("p", { id: "verdict" }, verdict(result, sides)),
      make("p", { class: "quiet" }, say("b.difference", { difference, p, trials: data.trials.toLocaleString("en") })),
      ...pairs(first, other, sides, test));
  }
  place.replaceChildren(...parts);
  place.hidden = false;
  if (!isAsked) return; // the language has changed: the reader stays where he is
  place.scrollIntoView();
  place.focus();
}

function verdict(test, sides) {
  const kind = test.p >= data.level ? "same" : board.reach == null ? "unknown"
    : board.reach >= Math.abs(test.difference) ? "seeds" : "real";
  return league.inLanguage(data.verdicts[kind]).replaceAll("{better}", () => sides[test.difference > 0 ? 1 : 0].name);
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

// A share of all rows, and a mean over them that is kept as three digits to the base 1,000.
const shareOf = (sums) => (sums[1] ? (100 * sums[0]) / sums[1] : 0);
const meanOf = (sums) => (100 * (sums[1] / 1e3 + sums[2] / 1e6 + sums[3] / 1e9)) / Math.max(1, sums[0]);

// A metric's value of summed statistics, by its name in records.
const VALUES = { bleu: bleuOf, accuracy: shareOf, rouge_l: meanOf };
const valueOf = (sums) => VALUES[board.metric.name](sums);

function sumsOf(statistics) {
  const sums = new Float64Array(statistics[0].length);
  for (const counts of statistics) for (let k = 0; k < sums.length; k++) sums[k] += counts[k];
  return sums;
}

// Approximate randomisation, as league.tasks.resampling does it. For each 8 sentences, what each choice of them carries over
// is summed once, so that a trial costs an eighth.
function pairedTest(first, other) {
  const sums = [sumsOf(first), sumsOf(other)], width = sums[0].length;
  const difference = valueOf(sums[1]) - valueOf(sums[0]);
  const moved = first.map((counts, i) => counts.map((count, k) => other[i][k] - count))
    .filter((counts) => counts.some((count) => count !== 0));
  const groups = [];
  for (let start = 0; start < moved.length; start += 8) {
    const table = new Float64Array(256 * width);
    for (let choice = 1; choice < 256; choice++) {
      const bit = 31 - Math.clz32(choice), rest = choice ^ (1 << bit), counts = moved[start + bit];
      for (let k = 0; k < width; k++) table[choice * width + k] = table[rest * width + k] + (counts ? counts[k] : 0);
    }
    groups.push(table);
  }
  const random = seeded(1), one = new Float64Array(width), two = new Float64Array(width);
  let asLarge = 0;
  for (let trial = 0; trial < data.trials; trial++) {
    one.set(sums[0]);
    two.set(sums[1]);
    let bits = 0;
    for (let group = 0; group < groups.length; group++) {
      if (group % 4 === 0) bits = random();
      const at = ((bits >>> (8 * (group % 4))) & 255) * width, table = groups[group];
      for (let k = 0; k < width; k++) { one[k] += table[at + k]; two[k] -= table[at + k]; }
    }
    if (Math.abs(valueOf(two) - valueOf(one)) >= Math.abs(difference) - 1e-9) asLarge++;
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

// ---- Their predictions side by side, those that matter most for the score first

function pairs(first, other, sides, test) {
  const sums = sumsOf(first.statistics), base = valueOf(sums);
  const differing = first.lines.map((line, i) => i).filter((i) => first.lines[i] !== other.lines[i]).map((i) => {
    const swapped = sums.map((sum, k) => sum - first.statistics[i][k] + other.statistics[i][k]);
    return { i, gain: valueOf(swapped) - base };
  }).sort((one, two) => Math.abs(two.gain) - Math.abs(one.gain));
  const list = make("div", {});
  const more = make("button", { type: "button", class: "more-rows", onclick: () => add() });
  let shown = 0;
  function add() {
    list.append(...differing.slice(shown, shown + MOST_PAIRS).map(({ i, gain }) => pairOf(i, gain, first, other, sides, test)));
    shown = Math.min(differing.length, shown + MOST_PAIRS);
    more.hidden = shown === differing.length;
    more.textContent = say("b.more", { n: differing.length - shown });
  }
  const heads = [...(test ? [say("b.source"), say("b.reference")] : []), ...sides.map((row) => row.name)];
  const head = make("div", { class: "pair heads", "aria-hidden": "true" }, ...heads.map((text) => make("b", {}, text)));
  list.className = `pairs of-${heads.length}`;
  list.append(head);
  add();
  return [make("h3", {}, say("b.differ", { n: differing.length, all: first.lines.length })),
    make("p", { class: "quiet" }, say("b.differ.about")), list, more];
}

function pairOf(i, gain, first, other, sides, test) {
  const better = gain === 0 ? say("b.line.same") : say("b.line.better",
    { name: sides[gain > 0 ? 1 : 0].name, gain: Math.abs(gain).toFixed(3), metric: board.metric.label });
  const [left, right] = differences(first.lines[i].split(" "), other.lines[i].split(" "));
  const cell = (name, kind, ...words) => make("p", { class: kind }, make("span", { class: "label" }, name), ...words);
  return make("div", { class: "pair" },
    make("p", { class: "quiet" }, `${say("b.line", { line: i + 1 })}: ${better}`),
    ...(test ? [cell(say("b.source"), "given", test.sources[i]), cell(say("b.reference"), "given", test.references[i])] : []),
    cell(sides[0].name, "first", ...left), cell(sides[1].name, "other", ...right));
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
