// Workers, queue, outcomes, throughput: live.

import { every, get, getText } from "./api.js";
import { empty, foreign, h, put } from "./dom.js";
import { ago, count, duration, number, statusKind, statusText } from "./format.js";
import { sparkline } from "./plot.js";

const SECONDS = 2;
const SLOTS = 60;

// Finished items a second; kept while other views are looked at.
const history = [];
let last = null;

/** Prometheus' text format: [{name, labels, value}]. */
export function parseMetrics(text) {
  const rows = [];
  for (const line of text.split("\n")) {
    const match = line.match(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]));
    rows.push({ name: match[1], labels, value: Number(match[3]) });
  }
  return rows;
}

function remember(finished) {
  const now = performance.now();
  if (last && finished >= last.finished && now - last.now < 4 * SECONDS * 1000) history.push((1000 * (finished - last.finished)) / (now - last.now));
  last = { finished, now };
  if (history.length > SLOTS) history.shift();
}

/** The view; returns what stops it. */
export function fleetView(main) {
  const body = h("div", { class: "stack" }, h("div", { class: "skeleton" }, h("div", {}), h("div", {})));
  const problem = h("div", { role: "alert" });
  put(main, h("div", { class: "stack view" }, h("div", { class: "row between" }, h("h1", {}, "Fleet"), h("span", { class: "muted live" }, h("span", { class: "pulse" }), "live")), problem, body));
  return every(SECONDS, async () => {
    try {
      const [workers, queue, text] = await Promise.all([get("/v1/workers"), get("/v1/queue"), getText("/metrics")]);
      put(problem);
      put(body, overview(workers, queue, parseMetrics(text)));
    } catch (error) {
      put(problem, h("p", { class: "notice bad" }, error.message));
    }
  });
}

function overview(workers, queue, metrics) {
  const value = (name) => metrics.find((one) => one.name === name)?.value ?? null;
  const outcomes = Object.fromEntries(metrics.filter(({ name, value: n }) => name === "chartreward_items_total" && n > 0).map(({ labels, value: n }) => [labels.status, n]));
  const finished = Object.values(outcomes).reduce((sum, n) => sum + n, 0);
  remember(finished);
  const rate = history.slice(-5).reduce((sum, n) => sum + n, 0) / Math.max(1, Math.min(5, history.length));
  const levels = [...new Set(workers.map(({ level }) => level).filter(Boolean))];
  const full = levels.length > 0 && levels.every((level) => level === "full");
  const tile = (name, text, note, kind = "") => h("div", { class: `tile ${kind}`, "data-tile": name }, h("dt", {}, name), h("dd", { class: "num" }, text), h("dd", { class: "muted note" }, note));
  return [
    h("dl", { class: "tiles" },
      tile("Workers", `${value("chartreward_workers_busy") ?? 0} / ${value("chartreward_workers") ?? 0}`, "busy / serving"),
      tile("Queue", count(queue.items), queue.items ? `oldest ${duration(1000 * (queue.oldest_s ?? 0))}${lanes(queue.batches_waiting)}` : "nothing waits"),
      tile("Throughput", `${number(rate, 1)}`, "items a second"),
      tile("Finished", count(finished), `${count(value("chartreward_expired_total"))} expired unseen`),
      tile("Jail", levels.length ? (full ? "full" : "reduced") : "–", full ? "every layer is up" : levels.filter((level) => level !== "full").join("; ").slice(0, 160) || "no worker has said", full || !levels.length ? "" : "warn"),
      tile("Deaths", count(value("chartreward_worker_deaths_total")), `${count(value("chartreward_denials_total"))} denials`)),
    h("section", { class: "card stack" }, h("h2", {}, "Throughput"), sparkline(history, SLOTS, `Items a second over the last ${SLOTS * SECONDS} seconds`), h("p", { class: "muted" }, history.length < 2 ? "Collecting…" : `the last ${duration(history.length * SECONDS * 1000)}, at most ${number(Math.max(...history), 1)} items a second`)),
    h("div", { class: "fleet-columns" },
      h("section", { class: "card stack" }, h("h2", {}, "Outcomes"), finished ? outcomeBars(outcomes, finished) : empty("Nothing finished yet", "Every finished item is counted here.")),
      h("section", { class: "card stack" }, h("h2", {}, "Where the time goes"), stages(metrics))),
    h("section", { class: "card stack" }, h("h2", {}, "Workers"), workers.length ? workerTable(workers) : empty("No workers", "None has announced itself. Start some with ", h("code", {}, "python -m worker"), ".")),
  ];
}

/** Lanes with waiting batches: ", mpl38:default 3". */
function lanes(waiting) {
  return Object.entries(waiting ?? {}).map(([lane, n]) => `, ${lane} ${n}`).join("");
}

function outcomeBars(outcomes, total) {
  const rows = Object.entries(outcomes).sort((a, b) => b[1] - a[1]);
  return h("ul", { class: "meters" }, rows.map(([status, n]) =>
    h("li", {}, h("span", {}, statusText(status)), h("span", { class: `meter ${statusKind(status)}`, "aria-hidden": "true" }, h("span", { style: { width: `${(100 * n) / total}%` } })), h("span", { class: "num" }, count(n)))));
}

function stages(metrics) {
  const named = { queue: "waiting", exec: "executing", draw: "drawing", score: "scoring" };
  const rows = Object.keys(named).map((stage) => {
    const of = (suffix) => metrics.find(({ name, labels }) => name === `chartreward_stage_seconds_${suffix}` && labels.stage === stage)?.value ?? 0;
    return [named[stage], of("count") ? (1000 * of("sum")) / of("count") : 0];
  });
  const most = Math.max(1, ...rows.map(([, ms]) => ms));
  return h("ul", { class: "meters" }, rows.map(([name, ms]) => h("li", {}, h("span", {}, name), h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: { width: `${(100 * ms) / most}%` } })), h("span", { class: "num" }, duration(ms)))));
}

function workerTable(workers) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Workers" }, h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["Worker", "State", "Jail", "Jobs done", "Memory", "Started", "Seen"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, workers.map((worker) => h("tr", { "data-worker": worker.name },
      h("td", {}, h("code", {}, foreign(worker.name, 60)), h("span", { class: "muted" }, ` pid ${worker.pid}`)),
      h("td", {}, h("span", { class: `badge ${worker.state}` }, worker.state)),
      h("td", {}, foreign(worker.level || "–", 120)),
      h("td", { class: "num" }, count(worker.jobs_done)),
      h("td", { class: "num nowrap" }, `${count(worker.rss_mb)} + ${count(worker.zygote_rss_mb)} MB`),
      h("td", { class: "muted nowrap" }, ago(worker.started)),
      h("td", { class: "muted nowrap" }, ago(worker.seen)))))));
}
