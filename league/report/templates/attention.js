"use strict";
(() => {
  const box = document.getElementById("attention");
  const { sentences } = JSON.parse(document.getElementById("attention-data").textContent);
  const sides = {
    cross: ["target", "source", "writes", "and looks at the source"],
    encoder: ["source", "source", "reads", "and looks at the source"],
    decoder: ["target", "written", "writes", "and looks at what it has written"],
  };
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  const picks = Object.fromEntries([...box.querySelectorAll("select")].map((one) => [one.name, one]));
  const svg = "http://www.w3.org/2000/svg";
  const cell = 17;
  const margin = { left: 86, top: 82 };
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

  // The weights of the picked layer and head, or the mean over all of them: one list a row.
  const weights = () => {
    const sentence = sentences[picks.sentence.value];
    const kind = picks.kind.value;
    const [rows, columns] = sides[kind].map((side) => sentence[side] && sentence[side].length);
    const all = bytes(sentence, kind);
    const range = (picked, size) => (picked === "mean" ? [...Array(size).keys()] : [Number(picked)]);
    const layers = range(picks.layer.value, sentence.layers);
    const heads = range(picks.head.value, sentence.heads);
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

  const options = (select, size, all) => {
    const before = select.value;
    select.replaceChildren();
    make(select, "option", all === 1 ? "the only one" : `mean of all ${all}`, { value: "mean" });
    for (let i = 0; size > 1 && i < size; i++) make(select, "option", String(i + 1), { value: i });
    select.value = [...select.options].some((one) => one.value === before) ? before : "mean";
  };

  const show = (picked) => {
    row = Math.max(0, Math.min(grid.length - 1, picked));
    const sentence = sentences[picks.sentence.value];
    const [from, to, does] = sides[picks.kind.value];
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
    const looks = most.slice(0, 3).map(([weight, token]) => `${token} ${Math.round(100 * weight)} %`);
    part("says").textContent = `Where it ${does} “${sentence[from][row]}”, it looks at: ${looks.join(", ")}`;
  };

  const draw = () => {
    const sentence = sentences[picks.sentence.value];
    const [from, to, does, looks] = sides[picks.kind.value];
    options(picks.layer, sentence.layers, sentence.means_of[0]);
    options(picks.head, sentence.heads, sentence.means_of[1]);
    grid = weights();
    part("rows-title").textContent = `It ${does} …`;
    part("columns-title").textContent = `… ${looks} (per cent)`;
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
    const [width, height] = [margin.left + cell * sentence[to].length + 46, margin.top + cell * grid.length + 4];
    part("map").replaceChildren();
    const picture = make(part("map"), "svg", undefined, { viewBox: `0 0 ${width} ${height}`, width, height });
    const short = (token) => (token.length > 11 ? token.slice(0, 10) + "…" : token);
    sentence[to].forEach((token, j) => {
      const [x, y] = [margin.left + cell * (j + 0.65), margin.top - 6];
      make(picture, "text", short(token), { x, y, transform: `rotate(-55 ${x} ${y})` });
    });
    grid.forEach((line, i) => {
      const y = margin.top + cell * i;
      const band = make(picture, "g", undefined, { "data-row": i });
      make(band, "text", short(sentence[from][i]), { x: margin.left - 6, y: y + 12, "text-anchor": "end" });
      make(band, "rect", undefined, { x: margin.left, y, width: cell * line.length, height: cell, class: "frame" });
      line.forEach((weight, j) => {
        const place = { x: margin.left + cell * j + 1, y: y + 1, width: cell - 2, height: cell - 2 };
        make(band, "rect", undefined, { ...place, "fill-opacity": Math.min(1, weight).toFixed(3) });
      });
    });
    show(row);
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
  sentences.forEach((sentence, i) => make(picks.sentence, "option", sentence.title, { value: i }));
  draw();
  part("controls").hidden = false;
})();
