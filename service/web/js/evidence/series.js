// Series plotted against each other.

import { foreign, h } from "../dom.js";
import { number } from "../format.js";
import { seriesPlot } from "../plot.js";

const KINDS = { bar: "bar", line: "line", area: "line", points: "points" };
const MOST = 24;

/** A mark's data as points: its x and y, else its values (or angles) in order. */
export function pointsOf(mark) {
  const data = mark?.data ?? {};
  if (data.x && data.y) return data.x.map((x, index) => [x ?? NaN, data.y[index] ?? NaN]);
  if (data.theta1 && data.theta2) return data.theta1.map((from, index) => [index, Math.abs(data.theta2[index] - from) / 360]);
  const values = data.value ?? data.y ?? data.x ?? Object.values(data)[0] ?? [];
  return values.map((value, index) => [index, value ?? NaN]);
}

/** All the family's marks of an axes as one: what a pair without a place stands for. */
function mergedPoints(description, axes, family) {
  const marks = (description?.marks ?? []).filter((mark) => mark.visible && mark.axes === axes && (mark.kind === family || family === "wedge" && mark.kind === "wedge"));
  return marks.flatMap(pointsOf).map(([x, y], index) => (family === "wedge" ? [index, y] : [x, y]));
}

function nameOf(mark) {
  return mark?.label && !mark.label.startsWith("_") ? mark.label : null;
}

/** rows: [[axes, reference axes, family, mark or null, reference mark or null, similarity], ...]. */
export function series(rows, result, point) {
  const ours = result.description?.marks ?? [];
  const theirs = result.reference_description?.marks ?? [];
  const paired = [...rows].sort((a, b) => a[5] - b[5]);
  const plots = paired.slice(0, MOST).map(([i, j, family, a, b, alike]) => {
    const left = a === null ? mergedPoints(result.description, i, family) : pointsOf(ours[a]);
    const right = b === null ? mergedPoints(result.reference_description, j, family) : pointsOf(theirs[b]);
    const label = nameOf(theirs[b]) ?? nameOf(ours[a]) ?? `${family} ${b === null ? "" : b + 1}`;
    const boxes = { generated: a === null ? [] : [ours[a].box], reference: b === null ? [] : [theirs[b].box] };
    return h(
      "figure",
      { class: "series-pair", on: { pointerenter: () => point(boxes), pointerleave: () => point(null) } },
      h("figcaption", {}, foreign(label, 60), h("span", { class: "muted" }, ` ${family}, axes ${j + 1}`), h("span", { class: "num" }, number(alike))),
      left.length || right.length
        ? seriesPlot(KINDS[family] ?? (family === "wedge" ? "bar" : "points"), right, left, `Reference and generated values of one ${family} series; similarity ${number(alike)}`)
        : h("p", { class: "muted" }, "its values are not kept"),
    );
  });
  const done = [new Set(rows.map((row) => row[3])), new Set(rows.map((row) => row[4]))];
  const merged = rows.some((row) => row[3] === null || row[4] === null);
  const alone = (marks, seen) => (merged ? [] : marks.filter((mark, index) => mark.visible && mark.kind in KINDS && !seen.has(index)));
  return [
    h("p", { class: "legend-row muted" }, h("span", { class: "key reference" }), "reference", h("span", { class: "key generated" }), "generated"),
    h("div", { class: "series-grid" }, plots),
    rows.length > MOST ? h("p", { class: "muted" }, `The ${MOST} least alike of ${rows.length} pairs.`) : null,
    unpaired("Reference series without a counterpart", alone(theirs, done[1]), "reference", point),
    unpaired("Generated series without a counterpart", alone(ours, done[0]), "generated", point),
  ];
}

function unpaired(title, marks, side, point) {
  if (!marks.length) return null;
  const hover = (mark) => ({ pointerenter: () => point({ [side]: [mark.box] }), pointerleave: () => point(null) });
  return h("div", {}, h("h4", {}, title), h("ul", { class: `tokens ${side === "reference" ? "missing" : "extra"}` },
    marks.slice(0, 60).map((mark) => h("li", { on: hover(mark) }, mark.kind, " ", nameOf(mark) ? foreign(mark.label, 60) : null))));
}
