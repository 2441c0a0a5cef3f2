// Evidence that reads as a table: attributes, chart types, parts, anything else.

import { foreign, h } from "../dom.js";
import { count, number, safeColor } from "../format.js";

function head(...names) {
  return h("thead", {}, h("tr", {}, names.map((name, index) => h("th", { scope: "col", class: index ? "num" : "" }, name))));
}

/** {jaccard: {category: value}, counts: {category: [both, generated, reference]}, missing, extra}. */
export function attributes({ jaccard, counts, missing, extra }) {
  const tokens = (title, kind, side) => {
    const found = Object.entries(side ?? {}).filter(([, some]) => some.length);
    if (!found.length) return null;
    return h("div", {}, h("h4", {}, title), h("ul", { class: `tokens ${kind}` },
      found.flatMap(([category, some]) => some.map((token) => h("li", {}, h("span", { class: "muted" }, `${category} `), shown(token))))));
  };
  return [
    h("table", { class: "pairs" }, h("caption", {}, "By category"), head("category", "Jaccard", "both", "generated", "reference"),
      h("tbody", {}, Object.entries(counts).map(([name, row]) =>
        h("tr", {}, h("td", {}, name), h("td", { class: "num" }, number(jaccard[name])), row.map((value) => h("td", { class: "num" }, count(value))))))),
    tokens("Missing from the generated chart", "missing", missing),
    tokens("Only in the generated chart", "extra", extra),
  ];
}

function shown(token) {
  const text = Array.isArray(token) ? token.join(" ") : String(token);
  const color = safeColor(text);
  return color ? h("span", { class: "swatch" }, h("span", { class: "patch", style: { background: color } }), h("code", {}, color)) : foreign(text, 120);
}

/** [[kind, projection, orientation, generated, reference], ...]. */
export function chartTypes(rows) {
  return h("table", { class: "pairs" }, h("caption", {}, "Marks by kind"), head("kind", "reference", "generated"),
    h("tbody", {}, rows.map((row) => {
      const [ours, theirs] = row.slice(-2);
      return h("tr", { class: ours === theirs ? "" : "differs" }, h("td", {}, row.slice(0, -2).filter(Boolean).join(", ")), h("td", { class: "num" }, count(theirs)), h("td", { class: "num" }, count(ours)));
    })));
}

/** Named scores in [0, 1] as bars. */
export function parts(scores) {
  return h("ul", { class: "meters" }, Object.entries(scores).map(([name, value]) =>
    h("li", {}, h("span", {}, name.replaceAll("_", " ")), h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: { width: `${Math.max(0, Math.min(1, value ?? 0)) * 100}%` } })), h("span", { class: "num" }, number(value)))));
}

/** Whatever a signal says of itself. */
export function values(evidence) {
  return h("dl", { class: "plain" }, Object.entries(evidence).map(([name, value]) =>
    h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, typeof value === "number" ? number(value) : foreign(typeof value === "string" ? value : JSON.stringify(value), 600)))));
}
