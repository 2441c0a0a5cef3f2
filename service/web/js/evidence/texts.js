// Matched, missing and extra texts; pointing at one outlines it in the charts.

import { foreign, h } from "../dom.js";
import { number } from "../format.js";

const folded = (text) => text.split(/\s+/).filter(Boolean).join(" ").slice(0, 300);

/** Boxes of the texts of a description that read like this. */
export function boxesOfText(description, text) {
  return (description?.texts ?? []).filter((one) => one.visible && folded(one.string) === text).map((one) => one.box);
}

/** evidence: {pairs: [[generated, reference, similarity], ...], missing, extra}. */
export function texts({ pairs, missing, extra, source }, result, point) {
  const where = (ours, theirs) => ({
    generated: ours === null ? [] : boxesOfText(result.description, ours),
    reference: theirs === null ? [] : boxesOfText(result.reference_description, theirs),
  });
  const hover = (ours, theirs) => ({ pointerenter: () => point(where(ours, theirs)), pointerleave: () => point(null) });
  const rows = [...pairs].sort((a, b) => a[2] - b[2]);
  return [
    source === "ocr" ? h("p", { class: "muted" }, "Both charts were read from their pixels, line by line.") : null,
    rows.length
      ? h("table", { class: "pairs" },
          h("caption", {}, "Matched"),
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "reference"), h("th", { scope: "col" }, "generated"), h("th", { scope: "col", class: "num" }, "alike"))),
          h("tbody", {}, rows.map(([ours, theirs, alike]) =>
            h("tr", { on: hover(ours, theirs) },
              h("td", {}, foreign(theirs, 120)),
              h("td", { class: ours === theirs ? "muted" : "" }, ours === theirs ? "the same" : foreign(ours, 120)),
              h("td", { class: "num" }, number(alike))))))
      : null,
    list("Missing from the generated chart", "missing", missing, (text) => hover(null, text)),
    list("Only in the generated chart", "extra", extra, (text) => hover(text, null)),
    !rows.length && !missing.length && !extra.length ? h("p", { class: "muted" }, "Neither chart has texts.") : null,
  ];
}

function list(title, kind, some, hover) {
  if (!some?.length) return null;
  return h("div", {}, h("h4", {}, title), h("ul", { class: `tokens ${kind}` }, some.map((text) => h("li", { on: hover(text) }, foreign(text, 120)))));
}
