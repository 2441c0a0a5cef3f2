// What a signal's number rests on: the counts that every signal has, then its own evidence by its shape.

import { h } from "../dom.js";
import { count, number } from "../format.js";
import { attributes, chartTypes, parts, values } from "./tables.js";
import { cells } from "./layout.js";
import { colors } from "./colors.js";
import { heatMap } from "./heatmap.js";
import { series } from "./series.js";
import { texts } from "./texts.js";

/** The panel of one signal. `point({reference, generated})` outlines boxes over the charts. */
export function evidencePanel(name, signal, result, point) {
  return h("div", { class: "evidence" }, signal.unavailable ? h("p", { class: "notice" }, signal.unavailable) : null, facts(signal), body(name, signal, result, point));
}

function facts(signal) {
  const rows = [
    ["precision", number(signal.precision)],
    ["recall", number(signal.recall)],
    ["F1", number(signal.f1)],
    ["matched", count(signal.matched)],
    ["generated", count(signal.generated)],
    ["reference", count(signal.reference)],
  ].filter(([, text]) => text !== "–");
  return rows.length ? h("dl", { class: "facts" }, rows.map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text)))) : null;
}

function body(name, signal, result, point) {
  const evidence = signal.evidence;
  const layers = signal.layers ? stages(signal.layers) : null;
  if (evidence?.maps) return [layers, heatMap(evidence.maps, result)];
  if (layers) return layers;
  if (/(^|\.)layout$/.test(name)) return cells(evidence?.axes ?? null, result, point);
  if (!evidence) return h("p", { class: "muted" }, "This signal keeps no further evidence.");
  if (/(^|\.)color$/.test(name)) return colors(evidence);
  if (evidence.series) return series(evidence.series, result, point);
  if (evidence.jaccard) return attributes(evidence);
  if (Array.isArray(evidence.counts)) return chartTypes(evidence.counts);
  if (evidence.parts) return parts(evidence.parts);
  if (evidence.pairs) return texts(evidence, result, point);
  return values(evidence);
}

function stages(layers) {
  return parts(Object.fromEntries(layers.map((value, index) => [`stage ${index + 1}`, value])));
}
