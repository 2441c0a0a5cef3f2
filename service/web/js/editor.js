// A plain text area with line numbers and one line that can be marked as wrong.

import { freshId, h } from "./dom.js";

const LINE = 20; // px, as in css/controls.css

/** {element, text, mark(line, message), onInput}. Lines count from 1. */
export function editor(label, { placeholder = "", changed = () => undefined } = {}) {
  const id = freshId("editor");
  const numbers = h("pre", { class: "gutter", "aria-hidden": "true" }, "1");
  const strip = h("div", { class: "bad-line" });
  const problem = h("p", { class: "error-text", id: `${id}-problem` });
  const area = h("textarea", {
    id,
    placeholder,
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
    rows: 14,
    "aria-describedby": `${id}-problem`,
    on: { input: edited, scroll: follow },
  });
  let bad = null;
  let lines = 1;

  function count() {
    const now = area.value.split("\n").length;
    if (now !== lines) numbers.textContent = Array.from({ length: now }, (_, index) => index + 1).join("\n");
    lines = now;
  }
  function edited() {
    mark(null);
    count();
    changed();
  }
  function follow() {
    numbers.style.setProperty("transform", `translateY(${-area.scrollTop}px)`);
    strip.hidden = bad === null;
    if (bad !== null) strip.style.setProperty("top", `${(bad - 1) * LINE + 10 - area.scrollTop}px`);
  }
  function mark(line, message = "") {
    bad = line;
    problem.textContent = message;
    strip.dataset.line = line ?? "";
    area.setAttribute("aria-invalid", String(Boolean(message)));
    if (line !== null) area.scrollTop = Math.max(0, (line - 6) * LINE);
    follow();
  }
  mark(null);
  return {
    element: h("div", { class: "editor" }, h("label", { for: id, class: "sr" }, label), h("div", { class: "editor-box" }, h("div", { class: "gutter-box" }, numbers), strip, area), problem),
    get text() {
      return area.value;
    },
    set text(value) {
      area.value = value;
      mark(null);
      count();
    },
    mark,
  };
}

/**
 * The line of a completion that an error's line (of the extracted code) is on, or null.
 * The service takes the last complete block fenced as python, py or nothing, then an unclosed one.
 */
export function lineInCompletion(completion, line) {
  const rows = completion.split("\n");
  let open = null;
  let found = null;
  rows.forEach((row, index) => {
    const fence = row.match(/^\s*(```+|~~~+)\s*([\w-]*)/);
    if (!fence) return;
    if (open === null) open = { start: index + 1, python: /^(python3?|py)?$/i.test(fence[2]) };
    else {
      if (open.python) found = open.start;
      open = null;
    }
  });
  if (found === null && open?.python) found = open.start;
  const place = (found ?? 0) + line;
  return place <= rows.length ? place : null;
}
