"use strict";
// What every page can do: speak two languages, let its marks answer, and sort its tables.

const league = (() => {
  const root = document.documentElement;
  const json = (id) => {
    const place = document.getElementById(id);
    return place ? JSON.parse(place.textContent) : {};
  };

  // ---- Language: asked for in the address, kept from before, or the browser's

  const kept = (value) => {
    try {
      if (value) localStorage.setItem("language", value);
      return localStorage.getItem("language");
    } catch {
      return null; // a page in a frame of its own
    }
  };
  const asked = new URLSearchParams(location.search).get("lang");
  const first = asked || kept() || (navigator.language.startsWith("ko") ? "ko" : "en");
  const texts = json("texts");
  const listeners = [];

  // Of English and Korean, what the page speaks.
  const inLanguage = (both) => both[root.lang === "ko" ? 1 : 0];

  const say = (key, values = {}) => {
    const forms = texts[values.n === 1 && texts[`${key}.one`] ? `${key}.one` : key];
    if (!forms) return key;
    return inLanguage(forms).replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };

  function speakAttributes() {
    const title = document.querySelector("title[data-both]");
    if (title) document.title = inLanguage(JSON.parse(title.dataset.both));
    for (const node of document.querySelectorAll("[data-ko]")) {
      const [name, korean] = JSON.parse(node.dataset.ko);
      if (!node.dataset.en) node.dataset.en = node.getAttribute(name);
      node.setAttribute(name, root.lang === "ko" ? korean : node.dataset.en);
    }
  }

  function speak(language) {
    root.lang = language === "ko" ? "ko" : "en";
    speakAttributes();
    const button = document.getElementById("language");
    if (button) {
      button.hidden = false;
      button.lang = root.lang === "ko" ? "en" : "ko";
      button.textContent = root.lang === "ko" ? "English" : "한국어";
    }
    for (const listener of listeners) listener();
  }

  // ---- Marks: whatever shows the same thing carries the same data-mark, and lights up together

  const marks = json("marks");
  const answer = document.createElement("div");
  answer.id = "answer";
  answer.setAttribute("role", "status");
  answer.hidden = true;
  let pinned = null;

  const same = (key) => document.querySelectorAll(`[data-mark="${CSS.escape(key)}"]`);
  const words = (key) => (marks[key] ? inLanguage(marks[key]) : "");

  function light(key, place) {
    dim();
    for (const node of same(key)) node.classList.add("lit");
    document.body.classList.add("has-lit");
    if (!words(key) || !place || place.matches("tr")) return; // a row says it all itself
    const [title, ...rest] = words(key).split("; ");
    answer.replaceChildren(Object.assign(document.createElement("b"), { textContent: title }),
      ...rest.map((line) => Object.assign(document.createElement("span"), { textContent: line })));
    answer.hidden = false;
    const box = place.getBoundingClientRect(), size = answer.getBoundingClientRect();
    const x = Math.max(8, Math.min(innerWidth - size.width - 8, box.left + box.width / 2 - size.width / 2));
    const above = box.top - size.height - 10;
    answer.style.left = `${x + scrollX}px`;
    answer.style.top = `${(above > 4 ? above : Math.min(box.bottom + 10, innerHeight - size.height - 8)) + scrollY}px`;
  }

  function dim() {
    for (const node of document.querySelectorAll(".lit")) node.classList.remove("lit");
    document.body.classList.remove("has-lit");
    answer.hidden = true;
  }

  const markOf = (event) => (event.target.closest ? event.target.closest("[data-mark]") : null);

  // A thin line is hit from a few pixels beside it.
  const AROUND = [[0, 0], [4, 0], [-4, 0], [0, 4], [0, -4], [7, 7], [-7, 7], [7, -7], [-7, -7]];
  function markAt(event) {
    const mark = markOf(event);
    if (mark || !event.target.closest || !event.target.closest("svg")) return mark;
    for (const [x, y] of AROUND) {
      const there = document.elementFromPoint(event.clientX + x, event.clientY + y);
      if (there && there.closest("[data-mark]")) return there.closest("[data-mark]");
    }
    return null;
  }

  function listen() {
    document.body.append(answer);
    let shown = null;
    document.addEventListener("pointermove", (event) => {
      if (pinned || event.pointerType === "touch") return;
      const mark = markAt(event);
      if (mark === shown) return;
      shown = mark;
      if (mark) light(mark.dataset.mark, mark); else dim();
    });
    document.addEventListener("focusin", (event) => {
      const mark = markOf(event);
      if (mark && mark === event.target && mark.matches(":focus-visible")) light(mark.dataset.mark, mark);
    });
    document.addEventListener("focusout", () => { if (!pinned) dim(); });
    const pin = (mark) => {
      const key = mark && mark.dataset.mark;
      pinned = key && key !== pinned ? key : null;
      if (pinned) light(key, mark); else dim();
    };
    // What is pressed for a purpose of its own keeps no mark.
    document.addEventListener("click", (event) => pin(event.target.closest("a, button, input") ? null : markAt(event)));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { pinned = null; dim(); }
      const mark = markOf(event), picture = mark && mark.closest("svg");
      if (picture && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); pin(mark); }
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!picture || !step) return;
      event.preventDefault();
      const all = [...picture.querySelectorAll("[data-mark]")];
      const next = all[(all.indexOf(mark) + step + all.length) % all.length];
      for (const one of all) one.setAttribute("tabindex", one === next ? 0 : -1);
      next.focus();
    });
  }

  // Of each picture one mark is reached by Tab, the others from there by the arrow keys.
  function prepare(place = document) {
    for (const picture of place.querySelectorAll("svg")) {
      picture.querySelectorAll("[data-mark]").forEach((mark, i) => {
        mark.setAttribute("tabindex", i ? -1 : 0);
        mark.setAttribute("role", "button");
        mark.setAttribute("aria-label", words(mark.dataset.mark) || mark.dataset.mark);
      });
    }
  }

  // ---- Tables that sort

  const collator = new Intl.Collator("en", { numeric: true });
  const valueOf = (cell) => {
    const text = cell ? cell.dataset.value || cell.textContent.trim() : "";
    const number = Number.parseFloat(text.replace("−", "-").replace(/,/g, ""));
    return text === "" || text === "–" ? null : Number.isNaN(number) ? text : number;
  };

  function order(one, other, falling) {
    if (one == null || other == null) return (one == null) - (other == null);
    const numbers = typeof one === "number" && typeof other === "number";
    const rise = numbers ? one - other : collator.compare(String(one), String(other));
    return falling ? -rise : rise;
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((one, other) => order(valueOf(one.cells[column]), valueOf(other.cells[column]), falling));
        table.tBodies[0].append(...rows);
      });
    });
  }

  function begin() {
    listen();
    // In a frame of the app, which has the switch.
    addEventListener("message", (event) => {
      if (!event.data || !["en", "ko"].includes(event.data.language)) return;
      speak(event.data.language);
      const own = document.getElementById("language");
      if (own && window !== parent) own.hidden = true;
    });
    document.querySelectorAll("table.sortable").forEach(sortable);
    listeners.push(() => prepare());
    speak(first);
    const button = document.getElementById("language");
    if (button) {
      button.addEventListener("click", () => {
        kept(root.lang === "ko" ? "en" : "ko");
        speak(root.lang === "ko" ? "en" : "ko");
      });
    }
  }

  root.lang = first === "ko" ? "ko" : "en";
  return { begin, say, inLanguage, speak, speakAttributes, order, prepare, marks, onLanguage: (listener) => listeners.push(listener) };
})();
