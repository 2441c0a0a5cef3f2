// Where the axes are: both layouts drawn as cells, pairs in one colour.

import { h, s } from "../dom.js";
import { hue, number } from "../format.js";

const WIDTH = 240;

/** pairs: [[generated axes, reference axes, overlap], ...], or null when the signal counts grid cells alone. */
export function cells(pairs, result, point) {
  const ours = result.description;
  const theirs = result.reference_description;
  if (!ours) return h("p", { class: "muted" }, "The layout is shown when the description is known.");
  const side = (name, description, place) => {
    const height = (WIDTH * description.height) / description.width;
    const kx = WIDTH / description.width;
    const shown = description.axes.map((axes, index) => ({ axes, index })).filter(({ axes }) => axes.visible && !axes.colorbar);
    const rects = shown.map(({ axes, index }) => {
      const pair = (pairs ?? []).findIndex((one) => one[place] === index);
      const [left, top, right, bottom] = axes.box.map((value) => value * kx);
      const cell = axes.cell;
      const text = cell ? `${cell.nrows}×${cell.ncols} r${cell.row_start}${cell.row_end > cell.row_start ? `–${cell.row_end}` : ""} c${cell.col_start}${cell.col_end > cell.col_start ? `–${cell.col_end}` : ""}` : "free";
      const on = { pointerenter: () => point({ [name]: [axes.box] }), pointerleave: () => point(null) };
      return s("g", { class: pair >= 0 ? hue(pair) : "unpaired", on },
        s("rect", { class: "cell", x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top), rx: 2 }),
        right - left > 44 ? s("text", { class: "cell-text", x: (left + right) / 2, y: (top + bottom) / 2 + 3, "text-anchor": "middle" }, text) : null);
    });
    return h("figure", { class: "layout" }, h("figcaption", {}, `${name} (${shown.length})`),
      s("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${height.toFixed(1)}`, role: "img", "aria-label": `Axes of the ${name} chart` }, rects));
  };
  return [
    h("div", { class: "layout-grid" }, theirs ? side("reference", theirs, 1) : h("p", { class: "muted" }, "The reference is a picture: its axes are the frames seen in it."), side("generated", ours, 0)),
    pairs?.length
      ? h("table", { class: "pairs" }, h("caption", {}, "Paired axes"),
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "reference"), h("th", { scope: "col" }, "generated"), h("th", { scope: "col", class: "num" }, "overlap"))),
          h("tbody", {}, pairs.map(([i, j, overlap]) => h("tr", {}, h("td", {}, `axes ${j + 1}`), h("td", {}, `axes ${i + 1}`), h("td", { class: "num" }, number(overlap))))))
      : h("p", { class: "muted" }, "This profile compares grid cells (rows × columns, first and last): equal ones match."),
  ];
}
