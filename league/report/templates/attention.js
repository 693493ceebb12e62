"use strict";
// Which tokens a model looks at. Every token is a stranger's text, and enters the page as text alone.
(() => {
  const place = document.getElementById("attention");
  const data = document.getElementById("attention-data");
  if (!place || !data) return;
  const { sentences } = JSON.parse(data.textContent);
  const sides = { cross: ["target", "source"], encoder: ["source", "source"], decoder: ["target", "written"] };
  const part = (name) => place.querySelector(`[data-part=${name}]`);
  const picks = Object.fromEntries(["sentence", "kind", "layer", "head"].map((name) =>
    [name, place.querySelector(`select[name=${name}]`)]));
  const svg = "http://www.w3.org/2000/svg";
  const margin = { left: 92, top: 84 };
  const SMALLEST = 15, LARGEST = 38, WIDEST = 96; // of a cell, in pixels
  let row = 0;
  let grid = [];

  const make = (parent, name, text, attributes = {}) => {
    const inside = parent.namespaceURI === svg || name === "svg";
    const made = inside ? document.createElementNS(svg, name) : document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return parent.appendChild(made);
  };

  const bytes = (sentence, kind) => {
    if (typeof sentence[kind] === "string") {
      sentence[kind] = Uint8Array.from(atob(sentence[kind]), (letter) => letter.charCodeAt(0));
    }
    return sentence[kind];
  };

  // The weights of the picked layers and heads, as their mean: one list a row.
  const weights = (layers, heads) => {
    const sentence = sentences[picks.sentence.value];
    const kind = picks.kind.value;
    const [rows, columns] = sides[kind].map((side) => sentence[side].length);
    const all = bytes(sentence, kind);
    return Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) => {
        let sum = 0;
        for (const layer of layers) {
          for (const head of heads) sum += all[((layer * sentence.heads + head) * rows + i) * columns + j];
        }
        return sum / (255 * layers.length * heads.length);
      })
    );
  };

  const range = (picked, size) => (picked === "mean" ? [...Array(size).keys()] : [Number(picked)]);
  const picked = () => {
    const sentence = sentences[picks.sentence.value];
    return weights(range(picks.layer.value, sentence.layers[picks.kind.value]), range(picks.head.value, sentence.heads));
  };

  const options = (select, size, all) => {
    const before = select.value;
    select.replaceChildren();
    make(select, "option", all === 1 ? league.say("att.only") : league.say("att.mean", { all }), { value: "mean" });
    for (let i = 0; size > 1 && i < size; i++) make(select, "option", String(i + 1), { value: i });
    select.value = [...select.options].some((one) => one.value === before) ? before : "mean";
  };

  // Shades are by row: the darkest cell of a row is where it looks most.
  const shade = (line, weight) => Math.min(1, weight / (Math.max(...line) || 1));

  const show = (chosen) => {
    row = Math.max(0, Math.min(grid.length - 1, chosen));
    const sentence = sentences[picks.sentence.value];
    const [from, to] = sides[picks.kind.value];
    [...part("rows").children].forEach((token, i) => {
      token.setAttribute("aria-pressed", i === row);
      token.tabIndex = i === row ? 0 : -1;
    });
    [...part("columns").children].forEach((token, j) => {
      const weight = grid[row][j];
      token.style.setProperty("--weight", weight.toFixed(3));
      token.classList.toggle("strong", weight >= 0.2);
      token.lastChild.textContent = weight >= 0.005 ? Math.round(100 * weight) : "";
    });
    part("map").querySelectorAll("[data-row]").forEach((band) => {
      band.classList.toggle("picked", Number(band.dataset.row) === row);
    });
    const most = grid[row].map((weight, j) => [weight, sentence[to][j]]).sort((one, other) => other[0] - one[0]);
    const looks = most.slice(0, 3).map(([weight, token]) => `${token} ${Math.round(100 * weight)} %`).join(", ");
    part("says").textContent = league.say("att.says", { token: sentence[from][row], looks });
  };

  // All layers and heads at a glance, each a picture of a few pixels a cell.
  const overview = () => {
    const sentence = sentences[picks.sentence.value];
    const layers = sentence.layers[picks.kind.value];
    const ink = getComputedStyle(place).getPropertyValue("--pretrain").trim();
    part("overview").replaceChildren();
    part("overview").hidden = layers * sentence.heads < 2;
    part("overview").style.setProperty("--heads", Math.min(8, sentence.heads));
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < sentence.heads; head++) {
        const lines = weights([layer], [head]);
        const label = league.say("att.thumb", { layer: layer + 1, head: head + 1 });
        const isPicked = picks.layer.value === String(layers > 1 ? layer : "mean") &&
          picks.head.value === String(sentence.heads > 1 ? head : "mean");
        const button = make(part("overview"), "button", undefined, { type: "button", "aria-pressed": isPicked });
        const canvas = make(button, "canvas", undefined,
          { width: lines[0].length * 4, height: lines.length * 4, "aria-hidden": "true" });
        make(button, "span", label);
        const pen = canvas.getContext("2d");
        pen.fillStyle = ink;
        lines.forEach((line, i) => line.forEach((weight, j) => {
          pen.globalAlpha = shade(line, weight);
          pen.fillRect(4 * j, 4 * i, 4, 4);
        }));
        button.addEventListener("click", () => {
          if (layers > 1) picks.layer.value = layer;
          if (sentence.heads > 1) picks.head.value = head;
          draw();
          part("overview").children[layer * sentence.heads + head].focus();
        });
      }
    }
  };

  const draw = () => {
    const sentence = sentences[picks.sentence.value];
    const kind = picks.kind.value;
    const [from, to] = sides[kind];
    options(picks.layer, sentence.layers[kind], sentence.means_of[kind][0]);
    options(picks.head, sentence.heads, sentence.means_of[kind][1]);
    grid = picked();
    part("rows-title").textContent = league.say("att.from", { does: league.say(`att.does.${kind}`) });
    part("columns-title").textContent = league.say(`att.to.${kind}`);
    part("rows").replaceChildren();
    part("columns").replaceChildren();
    const look = (token) => (token.startsWith("·") ? "token" : "token begins");
    for (const token of sentence[from]) make(part("rows"), "button", token, { type: "button", class: look(token) });
    for (const token of sentence[to]) {
      const column = make(part("columns"), "span", undefined, { class: look(token) });
      make(column, "span", token);
      make(column, "i");
      make(column, "small", "");
    }
    drawMap(sentence, from, to);
    overview();
    show(row);
  };

  const drawMap = (sentence, from, to) => {
    const room = part("map").clientWidth - margin.left - 60;
    const wide = Math.max(SMALLEST, Math.min(WIDEST, Math.floor(room / sentence[to].length)));
    const cell = Math.min(LARGEST, wide);
    const [width, height] = [margin.left + wide * sentence[to].length + 50, margin.top + cell * grid.length + 4];
    part("map").replaceChildren();
    const picture = make(part("map"), "svg", undefined, { viewBox: `0 0 ${width} ${height}`, width, height });
    const short = (token) => (token.length > 11 ? token.slice(0, 10) + "…" : token);
    sentence[to].forEach((token, j) => {
      const [x, y] = [margin.left + wide * (j + 0.5) + 4, margin.top - 6];
      make(picture, "text", short(token), { x, y, transform: `rotate(-55 ${x} ${y})` });
    });
    grid.forEach((line, i) => {
      const y = margin.top + cell * i;
      const band = make(picture, "g", undefined, { "data-row": i });
      make(band, "text", short(sentence[from][i]), { x: margin.left - 6, y: y + cell / 2 + 4, "text-anchor": "end" });
      make(band, "rect", undefined, { x: margin.left, y, width: wide * line.length, height: cell, class: "frame" });
      line.forEach((weight, j) => {
        const place = { x: margin.left + wide * j + 1, y: y + 1, width: wide - 2, height: cell - 2, rx: 2 };
        make(band, "rect", undefined, { ...place, "fill-opacity": shade(line, weight).toFixed(3) });
      });
    });
  };

  const indexOf = (event, name) => {
    const token = event.target.closest("button");
    return token ? [...part(name).children].indexOf(token) : -1;
  };
  // Not mouseover, which also comes when what lies under a resting pointer is drawn again.
  for (const kind of ["mousemove", "focusin", "click"]) {
    part("rows").addEventListener(kind, (event) => {
      const place = indexOf(event, "rows");
      if (place >= 0) show(place);
    });
    part("map").addEventListener(kind, (event) => {
      const band = event.target.closest("[data-row]");
      if (band) show(Number(band.dataset.row));
    });
  }
  part("rows").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(row + step);
    part("rows").children[row].focus();
  });
  for (const select of Object.values(picks)) {
    select.addEventListener("change", () => {
      if (select === picks.sentence || select === picks.kind) row = 0;
      draw();
    });
  }
  sentences.forEach((sentence, i) => make(picks.sentence, "option", league.inLanguage(sentence.title), { value: i }));
  part("controls").hidden = false;
  league.onLanguage(() => {
    sentences.forEach((sentence, i) => { picks.sentence.options[i].textContent = league.inLanguage(sentence.title); });
    draw();
  });
  addEventListener("resize", () => drawMap(sentences[picks.sentence.value], ...sides[picks.kind.value]) || show(row));
})();
