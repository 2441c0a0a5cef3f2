// One batch: progress, outcomes, rewards, worst and best, and a contact sheet a reference.

import { every, get, profiles, remove } from "./api.js";
import { load } from "./chart.js";
import { empty, foreign, h, put } from "./dom.js";
import { ago, clock, number, statusKind, statusText } from "./format.js";
import { histogram } from "./plot.js";
import { progress, statusCounts } from "./batches.js";
import { resultView } from "./result.js";

const ENDS = 6;
const GROUPS = 12;
const SHEET = 48;

const link = (batch, index) => `#/batches/${encodeURIComponent(batch)}${index === undefined ? "" : `/${index}`}`;

/** The batch, or one item of it; returns what stops it. */
export function batchView(main, id, index) {
  const body = h("div", { class: "stack view" }, h("h1", {}, "Batch"), h("div", { class: "skeleton" }, h("div", {}), h("div", {})));
  put(main, body);
  let seen = null;
  let groups = GROUPS;
  const stop = every(1.5, look);

  async function look(again = false) {
    try {
      const batch = await get(`/v1/rewards/${encodeURIComponent(id)}`);
      const recipe = (await profiles()).find(({ name, version }) => `${name}@${version}` === batch.profile);
      const state = `${batch.status} ${batch.done}`;
      if (state !== seen || again) {
        const content = index === undefined ? overview(batch, recipe, groups, more) : item(batch, recipe, Number(index));
        put(body, content);
      }
      seen = state;
      if (batch.status !== "running") stop();
    } catch (error) {
      stop();
      put(body, h("a", { href: "#/batches" }, "All batches"), h("h1", {}, "Batch"), h("p", { class: "notice bad", role: "alert" }, error.message));
    }
  }
  function more() {
    groups += GROUPS;
    look(true);
  }
  return stop;
}

function item(batch, recipe, index) {
  const result = batch.results.find((one) => one.index === index);
  const name = result?.id ?? `item ${index + 1}`;
  const place = (other, text) => (other >= 0 && other < batch.total ? h("a", { href: link(batch.id, other) }, text) : h("span", { class: "muted" }, text));
  return [
    h("nav", { class: "row wrap crumbs", "aria-label": "Place" }, h("a", { href: "#/batches" }, "Batches"), h("span", { class: "muted" }, "/"), h("a", { href: link(batch.id) }, h("code", {}, foreign(batch.id.slice(0, 12)))), h("span", { class: "spacer" }), place(index - 1, "Previous"), place(index + 1, "Next")),
    h("h1", {}, foreign(name, 120)),
    result ? resultView(result, recipe) : empty("Not done yet", "This page looks again by itself."),
  ];
}

/** Results with a reward, worst first; equal ones in request order. */
export function byReward(results) {
  return results.filter(({ reward }) => reward !== null).sort((a, b) => a.reward - b.reward || a.index - b.index);
}

function overview(batch, recipe, groups, more) {
  const ranked = byReward(batch.results);
  const mean = ranked.length ? ranked.reduce((sum, { reward }) => sum + reward, 0) / ranked.length : null;
  const cancel = h("button", { type: "button", class: "quiet", on: { click: () => remove(`/v1/rewards/${encodeURIComponent(batch.id)}`).catch(() => undefined) } }, "Cancel the rest");
  const ends = Math.min(ENDS, Math.floor(ranked.length / 2));
  const range = recipe?.range ?? [ranked[0]?.reward ?? 0, ranked.at(-1)?.reward ?? 1];
  return [
    h("nav", { class: "row crumbs", "aria-label": "Place" }, h("a", { href: "#/batches" }, "Batches")),
    h("div", { class: "row wrap between" }, h("h1", {}, "Batch ", h("code", {}, foreign(batch.id.slice(0, 14)))), h("div", { class: "row wrap" }, h("span", { class: `badge ${batch.status}` }, batch.status), h("span", { class: "badge plain" }, foreign(batch.profile, 40)), h("span", { class: "badge plain" }, foreign(batch.runtime, 40)), h("span", { class: "muted", title: clock(batch.created) }, ago(batch.created)), batch.status === "running" ? cancel : null)),
    h("div", { class: "batch-facts" },
      h("section", { class: "card stack" }, h("h2", {}, "Progress"), progress(batch.done, batch.total, "Progress"), statusCounts(batch.counts, batch.total)),
      h("section", { class: "card stack" }, h("h2", {}, "Rewards"), ranked.length
        ? [histogram(ranked.map(({ reward, status }) => ({ value: reward, kind: status === "ok" ? "good" : "bad" })), range, "Histogram of rewards"), h("p", { class: "muted" }, "mean ", h("span", { class: "num" }, number(mean)), ", median ", h("span", { class: "num" }, number(ranked[Math.floor(ranked.length / 2)].reward)), ` of ${ranked.length}`)]
        : h("p", { class: "muted" }, batch.status === "running" ? "No rewards yet." : "No rewards."))),
    ends > 0 ? h("div", { class: "ends" }, strip("Worst", batch, ranked.slice(0, ends)), strip("Best", batch, [...ranked].reverse().slice(0, ends))) : null,
    sheets(batch, groups, more),
  ];
}

function strip(title, batch, results) {
  return h("section", { class: "card stack" }, h("h2", {}, title), h("ol", { class: "thumbs" }, results.map((result) => thumb(batch, result))));
}

/** Loads a picture when it is about to be seen. */
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      load(target, target.dataset.render);
    }
  },
  { rootMargin: "200px" },
);

function lazy(render, alt) {
  const image = h("img", { alt, "data-render": render.url, width: render.width, height: render.height });
  watcher.observe(image);
  return image;
}

function thumb(batch, result) {
  const name = result.id ?? `item ${result.index + 1}`;
  return h("li", {}, h("a", { class: "thumb", href: link(batch.id, result.index) },
    h("span", { class: "thumb-picture" }, result.render ? lazy(result.render, "") : h("span", { class: `none ${statusKind(result.status)}` }, result.status === "ok" ? "no picture kept" : statusText(result.status))),
    h("span", { class: "thumb-line" }, h("span", { class: "thumb-name" }, foreign(name, 60)), h("span", { class: "num" }, result.reward === null ? "–" : number(result.reward)))));
}

/** [[reference, results best first], ...], the references with most rollouts first. */
export function groupsOf(results) {
  const groups = new Map();
  for (const result of results) {
    const name = result.reference ?? "";
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(result);
  }
  const order = (a, b) => (b.reward ?? -Infinity) - (a.reward ?? -Infinity) || a.index - b.index;
  return [...groups].map(([name, some]) => [name, some.sort(order)]).sort((a, b) => b[1].length - a[1].length);
}

function sheets(batch, most, more) {
  const groups = groupsOf(batch.results);
  const bare = batch.results.some(({ status, render }) => status === "ok" && !render);
  return h("section", { class: "stack" }, h("h2", {}, "By reference"),
    !bare ? null : h("p", { class: "notice" }, "This batch kept no pictures. Submit with \"return\": [\"render\", \"evidence\", \"description\"] to see charts and evidence here."),
    groups.slice(0, most).map(([name, results]) => sheet(batch, name, results)),
    groups.length > most ? h("button", { type: "button", class: "quiet", on: { click: more } }, `Show more of ${groups.length} references`) : null);
}

function sheet(batch, name, results) {
  const picture = results.find((one) => one.reference_render)?.reference_render;
  return h("section", { class: "card sheet" },
    h("div", { class: "sheet-reference" }, picture ? lazy(picture, "Reference chart") : h("span", { class: "none" }, "no reference picture"), h("p", { class: "muted" }, h("code", {}, foreign(name.slice(0, 16) || "no reference")), ` · ${results.length} rollout${results.length > 1 ? "s" : ""}`)),
    h("ol", { class: "thumbs" }, results.slice(0, SHEET).map((result) => thumb(batch, result)), results.length > SHEET ? h("li", { class: "muted" }, `and ${results.length - SHEET} more`) : null));
}
