// Both charts: side by side, or one over the other (swipe, blink, difference).

import { chart, load } from "./chart.js";
import { chip, freshId, h, put, segments } from "./dom.js";

const MODES = [["side", "Side by side"], ["swipe", "Swipe"], ["blink", "Blink"], ["difference", "Difference"]];

/** {element, point({reference, generated})}; `point` outlines boxes in both charts (side by side). */
export function compare(result) {
  const findings = result.integrity?.findings ?? [];
  const shown = { text: false, mark: false, finding: findings.length > 0 };
  const reference = chart("Reference", result.reference_render, result.reference_description, [], "no reference picture was kept");
  const generated = chart("Generated", result.render, result.description, findings, nothing(result));
  const stage = h("div", { class: "stage" });
  const boxes = h(
    "div",
    { class: "row wrap" },
    ["text", "mark"].map((kind) => chip(`${kind} boxes`, shown[kind], (on) => toggle(kind, on))),
    findings.length ? chip(`${findings.length} integrity finding${findings.length > 1 ? "s" : ""}`, true, (on) => toggle("finding", on)) : null,
  );
  const hasBoth = result.render && result.reference_render;
  const hasBoxes = result.description || result.reference_description || findings.length;

  function toggle(kind, on) {
    shown[kind] = on;
    reference.show(shown);
    generated.show(shown);
  }

  function mode(chosen) {
    stage.dataset.mode = chosen;
    boxes.hidden = chosen !== "side" || !hasBoxes;
    if (chosen === "side") put(stage, reference.element, generated.element);
    else put(stage, overlaid(chosen, result));
  }

  mode("side");
  toggle("finding", shown.finding);
  const bar = h("div", { class: "row wrap between" }, hasBoth ? segments("How to compare", MODES, "side", mode) : null, boxes);
  return {
    element: h("section", { class: "compare", "aria-label": "Charts" }, bar, stage),
    point(places) {
      reference.point(places?.reference ?? []);
      generated.point(places?.generated ?? []);
    },
  };
}

function nothing(result) {
  return result.status === "ok" ? "no picture was asked for" : "nothing was drawn";
}

function overlaid(mode, result) {
  const below = h("img", { alt: "Reference chart", class: "below" });
  const above = h("img", { alt: "Generated chart", class: "above" });
  load(below, result.reference_render.url);
  load(above, result.render.url);
  const { width, height } = result.reference_render;
  const canvas = h("div", { class: `canvas overlaid ${mode}`, style: { "--ratio": width / height } }, below, above);
  return h("div", { class: "overlaid-frame" }, canvas, { swipe, blink, difference }[mode](canvas));
}

function swipe(canvas) {
  const place = (value) => canvas.style.setProperty("--cut", `${value}%`);
  const id = freshId("swipe");
  const range = h("input", { id, type: "range", min: 0, max: 100, value: 50, on: { input: () => place(range.value) } });
  canvas.append(h("div", { class: "cut-line" }));
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons === 0) return;
    const box = canvas.getBoundingClientRect();
    range.value = String(((event.clientX - box.left) / box.width) * 100);
    place(range.value);
  });
  place(50);
  return h("div", { class: "caption-row" }, h("span", {}, "Reference"), h("label", { for: id, class: "sr" }, "Where the reference ends"), range, h("span", {}, "Generated"));
}

function blink(canvas) {
  const name = h("span", { class: "muted", role: "status" });
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const run = h("button", { type: "button", class: "quiet", on: { click: () => pause(!paused) } });
  const swap = h("button", { type: "button", class: "quiet", on: { click: () => { pause(true); turn(); } } }, "Swap");
  let top = true;
  let paused = still;
  function turn() {
    top = !top;
    canvas.classList.toggle("hidden-above", !top);
    name.textContent = paused ? (top ? "Generated" : "Reference") : "";
  }
  function pause(value) {
    paused = value;
    run.textContent = paused ? "Blink" : "Pause";
  }
  pause(still);
  const timer = setInterval(() => {
    if (!canvas.isConnected) clearInterval(timer);
    else if (!paused) turn();
  }, 700);
  return h("div", { class: "caption-row" }, run, swap, name);
}

function difference() {
  return h("p", { class: "muted caption-row" }, "White where both charts are equal; the stronger the colour, the further apart.");
}
