// One scored pair: the reward, both charts, the signals and what each rests on.

import { foreign, freshId, h } from "./dom.js";
import { compare } from "./compare.js";
import { duration, number, signalTitle, statusKind, statusText } from "./format.js";
import { evidencePanel } from "./evidence/index.js";
import { remainder, rewardBar, signalRows } from "./reward.js";

/** The view of an ItemResult. `profile`: its recipe, if known. `actions`: buttons beside the headline. */
export function resultView(result, profile, ...actions) {
  const charts = compare(result);
  return h(
    "article",
    { class: "result" },
    headline(result, profile, actions),
    result.error ? errorCard(result) : null,
    notes(result),
    rewardBar(result),
    h("div", { class: "columns" }, charts.element, h("section", { class: "signals", "aria-label": "Signals" }, signalList(result, charts.point), findings(result), details(result))),
  );
}

function headline(result, profile, actions) {
  const [low, high] = profile?.range ?? [];
  const without = result.reward === null || result.reward === undefined;
  return h(
    "header",
    { class: "headline" },
    h("div", { class: "score" },
      h("span", { class: "big num", "data-test": "reward" }, without ? "no reward" : number(result.reward)),
      h("span", { class: "muted" }, without ? "nobody is rewarded or punished for this" : low === undefined ? "" : `of ${number(low, 1)} to ${number(high, 1)} · normalised ${number(result.normalized)}`)),
    h("div", { class: "badges" }, h("span", { class: `badge ${statusKind(result.status)}`, "data-test": "status" }, statusText(result.status)), h("span", { class: "badge plain" }, foreign(result.profile, 60)), h("span", { class: "badge plain" }, foreign(result.runtime, 60))),
    h("div", { class: "row wrap actions" }, actions),
  );
}

function errorCard({ error }) {
  return h("div", { class: "error-card", role: "group", "aria-label": "Error" },
    h("p", {}, h("b", {}, foreign(error.type, 80)), error.line ? ` on line ${error.line}` : ""),
    h("p", { class: "error-message" }, foreign(error.message, 600)),
    error.traceback ? h("pre", { class: "code", tabindex: "0", "aria-label": "Traceback" }, error.traceback) : null);
}

function notes(result) {
  const some = [];
  if (result.blank) some.push("The figure is blank: the profile's reward for blank figures stands.");
  if (result.timing?.cached) some.push("Known from before: this answer came from the cache.");
  return some.length ? h("p", { class: "muted" }, some.join(" ")) : null;
}

function signalList(result, point) {
  const rows = signalRows(result);
  if (!rows.length) return h("p", { class: "muted" }, result.status === "ok" ? "No signals." : "Signals need a chart; none was drawn.");
  const rest = remainder(result);
  const first = rows.filter(({ weight }) => weight > 0).reduce((worst, row) => (loss(row) > loss(worst) ? row : worst), rows[0]);
  return h(
    "div",
    { class: "signal-list" },
    h("div", { class: "signal-head muted", "aria-hidden": "true" }, h("span", {}, "signal"), h("span", { class: "num" }, "value"), h("span", { class: "num" }, "weight"), h("span", { class: "num" }, "adds")),
    rows.map((row) => signalRow(row, result, point, row === first)),
    rest ? h("div", { class: "signal-rest" }, h("span", {}, "offset, gates, shaping"), h("span", { class: "num" }, `${rest > 0 ? "+" : ""}${number(rest)}`)) : null,
  );
}

function loss({ weight, value }) {
  return weight * (1 - (value ?? 0));
}

function signalRow(row, result, point, open) {
  const id = freshId("evidence");
  const panel = h("div", { id, class: "signal-panel" });
  const toggle = () => {
    const opened = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!opened));
    panel.hidden = opened;
    if (!opened && !panel.firstChild) panel.append(evidencePanel(row.name, row.signal, result, point));
  };
  const button = h(
    "button",
    { type: "button", class: `signal ${row.hue}`, "aria-expanded": "false", "aria-controls": id, on: { click: toggle } },
    h("span", { class: "signal-name" }, h("span", { class: "patch" }), h("span", {}, signalTitle(row.name))),
    h("span", { class: "num" }, number(row.value)),
    h("span", { class: "num muted" }, `× ${number(row.weight, 2)}`),
    h("span", { class: "num" }, number(row.part)),
    h("span", { class: "signal-track", "aria-hidden": "true" }, h("span", { style: { width: `${(row.value ?? 0) * 100}%` } })),
  );
  panel.hidden = true;
  if (open) toggle();
  return h("div", { class: "signal-row" }, button, panel);
}

function findings({ integrity }) {
  const some = integrity?.findings ?? [];
  const total = (integrity?.hidden ?? 0) + (integrity?.unsupported ?? 0);
  if (!total) return null;
  return h("section", { class: "findings" }, h("h3", {}, `Integrity: ${total} claim${total > 1 ? "s" : ""} left out`),
    h("p", { class: "muted" }, `${integrity.hidden} hidden by the code itself, ${integrity.unsupported} not supported by the pixels. What nobody can see does not count.`),
    some.length ? h("ul", { class: "tokens finding" }, some.map((one) => h("li", {}, h("span", { class: "muted" }, `${one.what} `), foreign(one.name, 80), h("span", { class: "muted" }, ` ${one.why}`)))) : null);
}

function details(result) {
  const { timing = {} } = result;
  const rows = [
    ["waited", duration(timing.queue_ms)], ["executed", duration(timing.exec_ms)], ["drawn", duration(timing.draw_ms)], ["scored", duration(timing.score_ms)],
  ].map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)));
  const facts = [["engine", result.engine], ["reference", result.reference], ["weights", result.weights]].filter(([, value]) => value);
  return h("details", { class: "more" }, h("summary", {}, "Timing and identity"), h("dl", { class: "facts" }, rows),
    h("dl", { class: "plain" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("code", {}, foreign(value, 100)))))));
}
