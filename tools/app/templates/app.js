"use strict";
// The app around its pages: a language for all of them, Gradio's own labels too, and a chooser that one can type into.
(() => {
  const begin = () => {
    const labels = Object.values(JSON.parse(document.getElementById("texts").textContent));
    const korean = new Map(labels), english = new Map(labels.map(([one, other]) => [other, one]));
    const language = () => document.documentElement.lang;
    let busy = false;

    const button = document.createElement("button");
    Object.assign(button, { id: "language", type: "button" });
    document.body.append(button);

    function relabel() {
      league.speakAttributes();
      const table = language() === "ko" ? korean : english;
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const other = table.get(walker.currentNode.data.trim());
        if (other) walker.currentNode.data = other;
      }
      for (const field of document.querySelectorAll("input[placeholder], textarea[placeholder]")) {
        const other = table.get(field.placeholder);
        if (other) field.placeholder = other;
      }
    }

    const tell = (frame) => frame.contentWindow &&
      frame.contentWindow.postMessage({ language: language() }, "*");
    document.addEventListener("load", (event) => event.target.tagName === "IFRAME" && tell(event.target), true);

    league.onLanguage(() => {
      relabel();
      document.querySelectorAll("iframe").forEach(tell);
    });
    league.begin();
    // Gradio builds its parts when it likes, and sets the language of the page itself.
    let chosen = language();
    button.addEventListener("click", () => { chosen = language(); });
    new MutationObserver(() => {
      if (busy) return;
      busy = true;
      requestAnimationFrame(() => {
        if (language() !== chosen) league.speak(chosen); else relabel();
        setTimeout(() => { busy = false; }, 0);
      });
    }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["lang"] });

    // What is typed into a chooser replaces the name that stands there.
    document.addEventListener("focusin", (event) => {
      if (event.target.matches(".chooser input")) setTimeout(() => event.target.select(), 0);
    });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
