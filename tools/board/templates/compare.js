"use strict";
// Two entries of the board side by side: what differs, the paired test, their predictions.

const MOST_PAIRS = 50;

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
  const sides = [...chosen].sort((one, other) => one.score - other.score);
  const place = $("comparison");
  const entries = await Promise.all(sides.map(load));
  const differing = [["seed", sides.map((row) => row.seed)],
    ...league.names.map((name, i) => [name, sides.map((row) => row.values[i])])].filter(([, [a, b]]) => a !== b);
  const lines = [["", ...sides.map((row) => row.name)],
    [league.metric.label, ...sides.map((row) => number(row.score, 2))],
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
  } else if (!VALUES[league.metric.name]) {
    parts.push(make("p", {}, `This page has no paired test for ${league.metric.label}: python -m tools.compare has.`));
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

// A metric's value of summed statistics, by its name in records.
const VALUES = { bleu: bleuOf };
const valueOf = (sums) => VALUES[league.metric.name](sums);

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

function pairs(first, other, sides) {
  const sums = sumsOf(first.statistics), base = valueOf(sums);
  const differing = first.lines.map((line, i) => i).filter((i) => first.lines[i] !== other.lines[i]).map((i) => {
    const swapped = sums.map((sum, k) => sum - first.statistics[i][k] + other.statistics[i][k]);
    return { i, gain: valueOf(swapped) - base };
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
    + `${Math.abs(gain).toFixed(3)} ${league.metric.label} of the whole`;
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
