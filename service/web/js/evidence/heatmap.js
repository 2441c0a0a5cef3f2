// Stage cosines as a heat map over the picture.

import { h, put, segments } from "../dom.js";
import { load } from "../chart.js";
import { number } from "../format.js";

/** maps: one a stage, rows of cosines; drawn over the generated chart, red where the two differ. */
export function heatMap(maps, result) {
  const stage = h("div", { class: "canvas", style: { "--ratio": (result.render?.width ?? 4) / (result.render?.height ?? 3) } });
  const range = h("p", { class: "muted" });
  const image = h("img", { alt: "Generated chart" });
  if (result.render) load(image, result.render.url);
  const show = (index) => {
    const rows = maps[index];
    put(stage, result.render ? image : null, draw(rows));
    const all = rows.flat();
    range.textContent = `${rows[0].length} × ${rows.length} places; cosine ${number(Math.min(...all), 2)} to ${number(Math.max(...all), 2)}. Strong colour: the features differ there.`;
  };
  show(0);
  return h("div", { class: "heat stack" }, maps.length > 1 ? segments("Backbone stage", maps.map((_, index) => [index, `Stage ${index + 1}`]), 0, show) : null, stage, range);
}

function draw(rows) {
  const canvas = h("canvas", { class: "heat-canvas", width: rows[0].length, height: rows.length, role: "img", "aria-label": "Where the features differ" });
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(rows[0].length, rows.length);
  rows.flat().forEach((cosine, index) => {
    const apart = Math.min(1, Math.max(0, 1 - cosine));
    pixels.data.set([190, 30, 45, Math.round(215 * Math.sqrt(apart))], index * 4);
  });
  pen.putImageData(pixels, 0, 0);
  return canvas;
}
