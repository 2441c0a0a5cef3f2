// Small plots as SVG: series against series, histograms, sparklines.

import { s } from "./dom.js";

const finite = (values) => values.filter((value) => Number.isFinite(value));

/** [low, high] of some numbers, never empty, with a little air. */
export function extent(values, air = 0.05) {
  const some = finite(values);
  if (!some.length) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of some) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const pad = (high - low || Math.abs(high) || 1) * air;
  return [low - pad, high + pad];
}

/** A linear scale from [a, b] to [from, to]. */
export function scale([a, b], [from, to]) {
  return (value) => from + ((value - a) / (b - a || 1)) * (to - from);
}

/** A number as a tick label: short. */
export function tick(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

/** Two to five round numbers in a range: steps of 1, 2 or 5 times a power of ten. */
export function roundTicks([low, high]) {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const ticks = [];
  for (let value = Math.ceil(low / step); value <= high / step && ticks.length < 8; value += 1) ticks.push(value * step);
  return ticks;
}

const WIDTH = 340;
const HEIGHT = 150;
const LEFT = 44;
const BOTTOM = 20;

function frame(x, y, title) {
  const right = WIDTH - 8;
  const low = HEIGHT - BOTTOM;
  const sx = scale(x, [LEFT, right]);
  const sy = scale(y, [low, 8]);
  const grid = [
    ...roundTicks(y).map((value) => [
      s("line", { class: "grid", x1: LEFT, x2: right, y1: sy(value), y2: sy(value) }),
      s("text", { class: "tick", x: LEFT - 6, y: sy(value) + 3, "text-anchor": "end" }, tick(value)),
    ]),
    ...roundTicks(x).map((value) => s("text", { class: "tick", x: sx(value), y: HEIGHT - 5, "text-anchor": "middle" }, tick(value))),
  ];
  const svg = s("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, grid.flat());
  return { svg, sx, sy, low };
}

function path(points, sx, sy) {
  let pen = "M";
  let out = "";
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = "M";
      continue;
    }
    out += `${pen}${sx(x).toFixed(1)} ${sy(y).toFixed(1)}`;
    pen = "L";
  }
  return out;
}

/** Two series of points. `kind`: line, points, bar. Each side: [[x, y], ...], perhaps empty. */
export function seriesPlot(kind, reference, generated, title) {
  const all = [...reference, ...generated];
  const ys = all.map(([, y]) => y);
  const { svg, sx, sy } = frame(extent(all.map(([x]) => x)), extent(kind === "bar" ? [...ys, 0] : ys), title);
  const sides = [["reference", reference, -4], ["generated", generated, 4]];
  for (const [side, points, shift] of sides) {
    if (kind === "line") svg.append(s("path", { class: `series ${side}`, d: path(points, sx, sy) }));
    for (const [x, y] of kind === "line" && points.length > 60 ? [] : points.slice(0, 400)) {
      if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
      if (kind === "bar") {
        const foot = sy(0);
        const head = sy(y);
        svg.append(s("rect", { class: `bar ${side}`, x: sx(x) + shift - 3.5, width: 7, y: Math.min(foot, head), height: Math.max(1, Math.abs(foot - head)) }));
      } else svg.append(s("circle", { class: `dot-mark ${side}`, cx: sx(x), cy: sy(y), r: 2.6 }));
    }
  }
  return svg;
}

/** Counts over [low, high]. `rows`: [{value, kind}], kind good or bad. */
export function histogram(rows, [low, high], title, bins = 24) {
  const width = 560;
  const height = 120;
  const counts = Array.from({ length: bins }, () => ({ good: 0, bad: 0 }));
  for (const { value, kind } of rows) {
    const bin = Math.floor(((value - low) / (high - low || 1)) * bins);
    counts[Math.min(bins - 1, Math.max(0, bin))][kind] += 1;
  }
  const most = Math.max(1, ...counts.map(({ good, bad }) => good + bad));
  const step = width / bins;
  const bars = counts.map(({ good, bad }, index) => {
    const size = (n) => (n / most) * (height - 12);
    const title_ = s("title", {}, `${tick(low + ((high - low) / bins) * index)} to ${tick(low + ((high - low) / bins) * (index + 1))}: ${good + bad}`);
    return s("g", {}, title_,
      s("rect", { class: "bin bad", x: index * step + 1, width: step - 2, y: height - size(bad), height: size(bad), rx: 1.5 }),
      s("rect", { class: "bin good", x: index * step + 1, width: step - 2, y: height - size(bad) - size(good), height: size(good), rx: 1.5 }));
  });
  const line = s("line", { class: "grid", x1: 0, x2: width, y1: height, y2: height });
  const labels = [low, (low + high) / 2, high].map((value, index) =>
    s("text", { class: "tick", x: (width / 2) * index, y: height + 15, "text-anchor": ["start", "middle", "end"][index] }, tick(value)));
  return s("svg", { class: "plot histogram", viewBox: `0 0 ${width} ${height + 20}`, role: "img", "aria-label": title }, bars, line, labels);
}

/** A line of recent values, the newest at the right; `slots` places in all. */
export function sparkline(values, slots, title) {
  const width = 560;
  const height = 90;
  const most = Math.max(1e-9, ...values);
  const sx = (index) => width - (values.length - 1 - index) * (width / (slots - 1));
  const sy = scale([0, most], [height - 2, 8]);
  const points = values.map((value, index) => [index, value]);
  const line = path(points, sx, sy);
  const foot = values.length ? `L${width} ${height}L${sx(0).toFixed(1)} ${height}Z` : "";
  return s("svg", { class: "plot spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": title },
    s("line", { class: "grid", x1: 0, x2: width, y1: height, y2: height }), s("line", { class: "grid", x1: 0, x2: width, y1: 8, y2: 8 }), s("path", { class: "spark-area", d: line + foot }), s("path", { class: "spark-line", d: line }));
}
