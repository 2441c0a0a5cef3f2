// Score one pair: what goes in, and what came out.

import { get, info, post, profiles, remove } from "./api.js";
import { freshId, h, put, segments } from "./dom.js";
import { editor, lineInCompletion } from "./editor.js";
import { pack, unpack } from "./permalink.js";
import { referenceInput } from "./reference.js";
import { resultView } from "./result.js";
import { SAMPLES } from "./samples.js";
import { asCurl, asPython, copyText, showSnippet } from "./snippets.js";

const RETURNS = ["description", "render", "evidence"];

/** The view: {element, open(query), leave}. It lives as long as the page. */
export function playgroundView() {
  let kind = "code";
  let running = null;
  let opened = null;

  const generated = editor("Generated code or completion", { placeholder: "matplotlib code, or the model's whole answer" });
  const reference = referenceInput();
  const kinds = h("div", {});
  const profile = h("select", { id: freshId("profile") });
  const runtime = h("select", { id: freshId("runtime") });
  const timeout = h("input", { id: freshId("timeout"), type: "number", min: 0.5, max: 600, step: 0.5, placeholder: "default" });
  const run = h("button", { type: "submit", class: "primary" }, "Score");
  const stop = h("button", { type: "button", class: "quiet", on: { click: () => running?.abort() } }, "Cancel");
  const progress = h("span", { class: "muted", role: "status" });
  const problem = h("div", { role: "alert" });
  const output = h("div", { class: "output", "aria-live": "off" });
  const samples = h("select", { id: freshId("samples"), on: { change: () => useSample(samples.value) } },
    h("option", { value: "" }, "Examples…"), SAMPLES.map((one, index) => h("option", { value: index }, one.name)));
  stop.hidden = true;

  function setKind(value) {
    kind = value;
    put(kinds, segments("What is generated", [["code", "Code"], ["completion", "Completion"]], kind, (chosen) => (kind = chosen)));
  }
  function useSample(index) {
    const sample = SAMPLES[Number(index)];
    if (!sample) return;
    setKind(sample.kind);
    generated.text = sample.text;
    reference.useCode(sample.reference);
    if (sample.name === "Never returns") timeout.value = "2";
    else timeout.value = "";
    samples.value = "";
  }

  async function body() {
    const limit = Number(timeout.value);
    return {
      items: [{ [kind]: generated.text, reference: reference.value() }],
      profile: profile.value || "chartsimrl",
      ...(runtime.value ? { runtime: runtime.value } : {}),
      ...(limit > 0 ? { limits: { timeout_s: limit } } : {}),
      return: RETURNS,
    };
  }

  async function score(event) {
    event?.preventDefault();
    if (running) return;
    put(problem);
    generated.mark(null);
    reference.mark(null);
    running = new AbortController();
    const { signal } = running;
    run.disabled = true;
    stop.hidden = false;
    output.classList.add("stale");
    if (!output.firstChild) put(output, skeleton());
    progress.textContent = "queued, running, scoring…";
    let batch = null;
    try {
      const request = await body();
      batch = await post("/v1/rewards", request, { signal, byHand: true });
      while (batch.status === "running") batch = await get(`/v1/rewards/${encodeURIComponent(batch.id)}?wait=20`, { signal });
      await show(batch.results[0], request);
      progress.textContent = "scored";
    } catch (error) {
      if (output.querySelector(".skeleton")) put(output);
      progress.textContent = "";
      if (error.name === "AbortError") {
        progress.textContent = "cancelled";
        if (batch) remove(`/v1/rewards/${encodeURIComponent(batch.id)}`).catch(() => undefined);
      } else refuse(error);
    } finally {
      output.classList.remove("stale");
      run.disabled = false;
      stop.hidden = true;
      running = null;
    }
  }

  function refuse(error) {
    put(problem, h("div", { class: "notice bad" }, h("p", {}, error.message),
      error.errors?.length > 1 ? h("ul", {}, error.errors.slice(0, 10).map((one) => h("li", {}, `${one.loc.join(".")}: ${one.msg}`))) : null));
  }

  async function show(result, request) {
    const recipes = await profiles().catch(() => []);
    const recipe = recipes.find(({ name, version }) => `${name}@${version}` === result.profile);
    const actions = [
      h("button", { type: "button", class: "quiet", on: { click: permalink } }, "Permalink"),
      h("button", { type: "button", class: "quiet", on: { click: () => showSnippet("This request with curl", asCurl(request)) } }, "curl"),
      h("button", { type: "button", class: "quiet", on: { click: () => showSnippet("This request in Python", asPython(request)) } }, "Python"),
    ];
    put(output, resultView(result, recipe, actions));
    if (result.error?.line) {
      const message = `${result.error.type}: ${result.error.message}`.slice(0, 300);
      if (result.status === "bad_reference") reference.mark(result.error.line, message);
      else generated.mark(kind === "code" ? result.error.line : lineInCompletion(generated.text, result.error.line), `Line ${result.error.line}: ${message}`);
    }
    output.scrollIntoView({ block: "nearest" });
  }

  /** The pair into the address; a picture is registered first, and named by its id. */
  async function permalink() {
    try {
      const pair = { kind, text: generated.text, profile: profile.value, runtime: runtime.value, timeout: Number(timeout.value) || null };
      const value = reference.value();
      if (value.code !== undefined) pair.reference = value.code;
      else pair.referenceId = value.id ?? (await post("/v1/references", value, { byHand: true })).id;
      opened = await pack(pair);
      history.replaceState(null, "", `#/playground?pair=${opened}`);
      progress.textContent = (await copyText(location.href)) ? "The link is in the address bar and on the clipboard." : "The link is in the address bar.";
    } catch (error) {
      refuse(error);
    }
  }

  async function choices() {
    try {
      const [recipes, facts] = await Promise.all([profiles(), info()]);
      const [chosenProfile, chosenRuntime] = [profile.value, runtime.value];
      put(profile, recipes.map((one) => h("option", { value: one.name, title: one.title }, one.name)));
      put(runtime, Object.entries(facts.runtimes).map(([name, versions]) => h("option", { value: name, title: versions }, name)));
      profile.value = recipes.some(({ name }) => name === chosenProfile) ? chosenProfile : facts.default_profile;
      runtime.value = chosenRuntime in facts.runtimes ? chosenRuntime : facts.default_runtime ?? "";
      return true;
    } catch {
      return false;
    }
  }

  async function open(query) {
    const wanted = query.get("pair");
    const loaded = profile.options.length > 0 || (await choices());
    if (!wanted || wanted === opened) return;
    opened = wanted;
    const pair = await unpack(wanted);
    if (!pair) {
      put(problem, h("p", { class: "notice bad" }, "This link does not hold a pair."));
      return;
    }
    setKind(pair.kind);
    generated.text = pair.text;
    if (pair.referenceId) reference.useId(pair.referenceId);
    else reference.useCode(pair.reference ?? "");
    if (loaded && pair.profile) profile.value = pair.profile;
    if (loaded && pair.runtime) runtime.value = pair.runtime;
    timeout.value = pair.timeout ?? "";
    await score();
  }

  setKind("code");
  useSample(0);
  const field = (name, control) => h("div", { class: "field" }, h("label", { for: control.id }, name), control);
  const form = h("form", { class: "stack", on: { submit: score } },
    h("div", { class: "inputs" },
      h("section", { class: "card pane", "aria-label": "Generated" }, h("div", { class: "row between" }, h("h2", {}, "Generated"), kinds), generated.element),
      h("section", { class: "card pane", "aria-label": "Reference" }, reference.header, reference.element)),
    h("div", { class: "row wrap end-aligned controls" }, field("Profile", profile), field("Runtime", runtime), field("Time limit, s", timeout), field("Fill in", samples),
      h("div", { class: "row run-row" }, run, stop, progress)),
    problem);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) score(event);
  });
  return { element: h("div", { class: "stack view" }, h("h1", { class: "sr" }, "Playground"), form, output), open, leave: () => undefined };
}

function skeleton() {
  return h("div", { class: "skeleton", "aria-hidden": "true" }, h("div", {}), h("div", {}), h("div", {}));
}
