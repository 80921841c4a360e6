// Everything here works without this file. It narrows the contents while one types, and copies examples.
"use strict";
(() => {
  const input = document.getElementById("q");
  const entries = [...document.querySelectorAll(".side li")];
  const groups = [...document.querySelectorAll(".side section")];
  const narrow = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const entry of entries) {
      const text = (entry.dataset.words || entry.textContent).toLowerCase();
      entry.hidden = !words.every((word) => text.includes(word));
    }
    for (const group of groups) {
      group.hidden = [...group.querySelectorAll("li")].every((entry) => entry.hidden);
    }
  };
  if (input) {
    input.addEventListener("input", narrow);
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        input.focus();
      }
    });
  }
  const here = document.querySelector(".side [aria-current]");
  if (here && matchMedia("(min-width:64rem)").matches) here.scrollIntoView({ block: "center" });
  if (navigator.clipboard) {
    for (const block of document.querySelectorAll("pre")) {
      const text = block.textContent;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
      block.append(button);
    }
  }
})();
