// The reward as a bar of its weighted signals.

import { h } from "./dom.js";
import { hue, number, signalTitle } from "./format.js";

/** Rows of a result's signals: [{name, value, weight, part, hue, signal}]. */
export function signalRows(result) {
  return Object.entries(result.signals ?? {}).map(([name, signal], index) => ({
    name,
    signal,
    value: signal.value,
    weight: signal.weight ?? 0,
    part: (signal.weight ?? 0) * (signal.value ?? 0),
    hue: hue(index),
  }));
}

/** What the reward holds beyond its weighted signals: offset, gates, shaping. */
export function remainder(result) {
  if (result.reward === null || result.reward === undefined) return 0;
  const rest = result.reward - signalRows(result).reduce((sum, { part }) => sum + part, 0);
  return Math.abs(rest) < 5e-4 ? 0 : rest;
}

/** As wide as the weights, filled as far as the values. Nothing when no signal counts. */
export function rewardBar(result) {
  const rows = signalRows(result).filter(({ weight }) => weight > 0);
  if (!rows.length) return null;
  const said = rows.map(({ name, value, weight }) => `${signalTitle(name)} ${number(value)} times ${number(weight)}`).join(", ");
  return h(
    "div",
    { class: "reward-bar", role: "img", "aria-label": `Weighted signals: ${said}` },
    rows.map((row) =>
      h(
        "div",
        { class: `segment ${row.hue}`, style: { "flex-grow": row.weight }, title: `${signalTitle(row.name)}: ${number(row.value)} × ${number(row.weight)}` },
        h("div", { class: "fill", style: { width: `${(row.value ?? 0) * 100}%` } }),
      ),
    ),
  );
}
