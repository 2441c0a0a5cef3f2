// The named recipes: formula, weights, range, where it comes from.

import { profiles } from "./api.js";
import { foreign, h, put } from "./dom.js";
import { hue, number, signalTitle } from "./format.js";

/** The view; `name` is the profile to scroll to. */
export function profilesView(main, name) {
  const body = h("div", { class: "profiles" }, h("div", { class: "skeleton" }, h("div", {}), h("div", {})));
  put(main, h("div", { class: "stack view" }, h("h1", {}, "Profiles"), h("p", { class: "muted lede" }, "A profile turns signals into one number. Every published reward that can be computed here is one; a request may also bring its own."), body));
  profiles().then(
    (some) => {
      put(body, some.map(card));
      document.getElementById(`profile-${name}`)?.scrollIntoView();
    },
    (error) => put(body, h("p", { class: "notice bad", role: "alert" }, error.message)),
  );
  return () => undefined;
}

function card(profile) {
  const total = profile.signals.reduce((sum, { weight }) => sum + Math.abs(weight), 0) || 1;
  const [low, high] = profile.range;
  return h("article", { class: "card profile", id: `profile-${profile.name}` },
    h("header", { class: "row between wrap" }, h("h2", {}, h("code", {}, foreign(profile.name)), h("span", { class: "muted" }, ` @${profile.version}`)), h("span", { class: "badge plain num" }, `${number(low, 1)} … ${number(high, 1)}`)),
    h("p", { class: "profile-title" }, foreign(profile.title, 400)),
    h("p", { class: "formula" }, foreign(profile.formula, 1000)),
    h("div", { class: "reward-bar weights", "aria-hidden": "true" }, profile.signals.map(({ weight }, index) => (weight > 0 ? h("div", { class: `segment ${hue(index)}`, style: { "flex-grow": weight } }, h("div", { class: "fill", style: { width: "100%" } })) : null))),
    h("ul", { class: "weights-list" }, profile.signals.map((use, index) =>
      h("li", { class: hue(index) }, h("span", { class: "patch" }), h("span", {}, signalTitle(use.name)), h("span", { class: "muted options" }, options(use)), h("span", { class: "num" }, use.weight === 0 ? "gate" : profile.combine === "mean" ? number(use.weight / total) : number(use.weight, 2))))),
    extras(profile),
    h("p", { class: "muted citation" }, foreign(profile.citation, 1000)));
}

function options(use) {
  return Object.entries(use.options ?? {}).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}

function extras(profile) {
  const rows = [
    ...profile.gates.map((gate) => ["gate", `${signalTitle(gate.signal)} ≥ ${gate.at_least}, otherwise ${gate.otherwise}${gate.bonus ? `; opens: +${gate.bonus}` : ""}`]),
    ...profile.shaping.map((step) => ["shaping", { clip: `clip to ${step.low} … ${step.high}`, sigmoid: `sigmoid, centre ${step.center}, slope ${step.slope}`, length_penalty: `−${step.weight} · max(0, 1 − ${step.allowed}/characters) for longer code` }[step.kind]]),
    profile.offset ? ["offset", String(profile.offset)] : null,
    ["failure", [number(profile.failure_reward, 1), ...Object.entries(profile.failures ?? {}).map(([status, value]) => `${status} ${value}`)].join(", ")],
    ["blank figure", profile.blank_reward === null ? "scored like any other" : number(profile.blank_reward, 1)],
    profile.check_integrity ? null : ["integrity", "not checked: for comparing with published numbers only"],
  ].filter(Boolean);
  return h("dl", { class: "plain" }, rows.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
}
