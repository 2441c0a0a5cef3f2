// Recent batches of this key, live.

import { every, get } from "./api.js";
import { empty, foreign, h, put } from "./dom.js";
import { ago, clock, count, statusKind, statusText } from "./format.js";

const SHOWN = 100;

/** Status counts as one stacked bar and its words. */
export function statusCounts(counts, total) {
  const rows = Object.entries(counts).sort((a, b) => (a[0] === "ok" ? -1 : b[0] === "ok" ? 1 : b[1] - a[1]));
  return h("div", { class: "counts" },
    h("div", { class: "counts-bar", "aria-hidden": "true" }, rows.map(([status, n]) => h("span", { class: statusKind(status), style: { "flex-grow": n } })), h("span", { style: { "flex-grow": Math.max(0, total - rows.reduce((sum, [, n]) => sum + n, 0)) } })),
    h("ul", {}, rows.map(([status, n]) => h("li", {}, h("span", { class: `dot ${statusKind(status)}` }), `${statusText(status)} `, h("span", { class: "num" }, count(n))))));
}

/** Done of total, with a bar. */
export function progress(done, total, label) {
  return h("div", { class: "progress" },
    h("span", { class: "meter", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": done }, h("span", { style: { width: `${(100 * done) / Math.max(1, total)}%` } })),
    h("span", { class: "num" }, `${count(done)} / ${count(total)}`));
}

/** The list; returns what stops it. */
export function batchesView(main) {
  const list = h("div", { class: "batch-list" }, h("div", { class: "skeleton" }, h("div", {}), h("div", {})));
  const problem = h("div", { role: "alert" });
  put(main, h("div", { class: "stack view" }, h("div", { class: "row between" }, h("h1", {}, "Batches"), h("span", { class: "muted live" }, h("span", { class: "pulse" }), "live")), problem, list));
  return every(1.5, async () => {
    try {
      const answer = await get(`/v1/batches?limit=${SHOWN}`);
      const batches = Array.isArray(answer) ? answer : answer.batches;
      put(problem);
      put(list, batches.length ? table(batches) : empty("No batches yet", "Batches that this key submits appear here as soon as they are queued, and stay as long as their results."));
    } catch (error) {
      put(problem, h("p", { class: "notice bad" }, error.message));
      if (list.querySelector(".skeleton")) put(list);
    }
  });
}

function table(batches) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Recent batches" },
    h("table", { class: "rows batch-rows" },
      h("thead", {}, h("tr", {}, ["Batch", "Submitted", "Profile", "Progress", "Outcomes"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, batches.map((batch) =>
        h("tr", { "data-batch": batch.id },
          h("td", { class: "nowrap" }, h("a", { href: `#/batches/${encodeURIComponent(batch.id)}` }, h("code", {}, foreign(batch.id.slice(0, 12)))), h("span", { class: `badge ${batch.status}` }, batch.status)),
          h("td", { class: "muted nowrap", title: clock(batch.created) }, ago(batch.created)),
          h("td", { class: "muted nowrap" }, foreign(batch.profile, 40)),
          h("td", {}, progress(batch.done, batch.total, `Progress of ${batch.id}`)),
          h("td", {}, statusCounts(batch.counts, batch.total)))))));
}
