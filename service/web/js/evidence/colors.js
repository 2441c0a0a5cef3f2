// Colours as swatches, with their CIEDE2000 distance.

import { h } from "../dom.js";
import { number, percent, safeColor } from "../format.js";

function swatch(text) {
  const color = safeColor(text);
  return h("span", { class: "swatch" }, h("span", { class: "patch", style: color ? { background: color } : {} }), h("code", {}, color ?? "?"));
}

/** How far apart two colours look. */
export function apartText(delta) {
  if (delta < 1) return "the same";
  if (delta < 5) return "hardly seen";
  if (delta < 15) return "close";
  return delta < 40 ? "another shade" : "another colour";
}

/** evidence: {pairs: [[generated, reference, share, delta], ...], missing, extra, source}. */
export function colors({ pairs, missing, extra, source }) {
  const loose = (title, some) =>
    some?.length ? h("div", {}, h("h4", {}, title), h("ul", { class: "swatches" }, some.map((color) => h("li", {}, swatch(color))))) : null;
  return [
    pairs?.length
      ? h("table", { class: "pairs" },
          h("caption", {}, `Paired colours, read from the ${source === "pixels" ? "pixels" : "marks"}`),
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "reference"), h("th", { scope: "col" }, "generated"), h("th", { scope: "col", class: "num" }, "ΔE00"), h("td", {}), h("th", { scope: "col", class: "num" }, "adds"))),
          h("tbody", {}, pairs.map(([ours, theirs, share, delta]) =>
            h("tr", {}, h("td", {}, swatch(theirs)), h("td", {}, swatch(ours)), h("td", { class: "num" }, number(delta, 1)), h("td", { class: "muted apart" }, apartText(delta)), h("td", { class: "num" }, percent(share))))))
      : null,
    loose("Missing from the generated chart", missing),
    loose("Only in the generated chart", extra),
  ];
}
