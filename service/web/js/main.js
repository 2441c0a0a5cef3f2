// Routes (#/view/rest?query), the header, and what is alive everywhere.

import { batchView } from "./batch.js";
import { batchesView } from "./batches.js";
import { every, getText, info } from "./api.js";
import { fleetView } from "./fleet.js";
import { put, h } from "./dom.js";
import { installKey, key } from "./session.js";
import { installScheme } from "./scheme.js";
import { playgroundView } from "./playground.js";
import { profilesView } from "./profiles.js";

const main = document.getElementById("main");
const TITLES = { playground: "Playground", batches: "Batches", fleet: "Fleet", profiles: "Profiles" };

/** "#/batches/b_1/3?x=y" -> {view, rest, query}. */
export function parseRoute(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { view: view in TITLES ? view : "playground", rest, query: new URLSearchParams(query) };
}

let leave = () => undefined;
// The playground keeps what was typed while other views are looked at.
let playground = null;

function show() {
  const route = parseRoute(location.hash);
  leave();
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (link.dataset.view === route.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${TITLES[route.view]} · ChartReward`;
  leave = enter(route) ?? (() => undefined);
  window.scrollTo(0, 0);
}

function enter({ view, rest, query }) {
  if (view === "batches") return rest[0] ? batchView(main, rest[0], rest[1]) : batchesView(main);
  if (view === "fleet") return fleetView(main);
  if (view === "profiles") return profilesView(main, rest[0]);
  playground ??= playgroundView();
  put(main, playground.element);
  playground.open(query);
  return playground.leave;
}

async function health() {
  const node = document.getElementById("health");
  try {
    const ready = await fetch("/readyz").then((response) => response.status);
    const [word, kind] = ready === 200 ? ["ready", "good"] : ready === 503 ? ["not ready", "bad"] : ["locked", "ours"];
    if (node.dataset.word !== word) put(node, h("span", { class: `dot ${kind}` }), h("span", {}, word));
    node.dataset.word = word;
  } catch {
    put(node, h("span", { class: "dot bad" }), h("span", {}, "unreachable"));
    node.dataset.word = "";
  }
}

async function version() {
  try {
    const facts = await info();
    document.getElementById("version").textContent = `ChartReward ${facts.version}`;
  } catch {
    document.getElementById("version").textContent = "ChartReward";
  }
}

/** The document asks for a key like everything else, which a plain link cannot give. */
function openDocument(event) {
  if (!key()) return;
  event.preventDefault();
  getText("/openapi.json", { byHand: true }).then((text) => {
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    h("a", { href: address, download: "openapi.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });
}

document.getElementById("openapi").addEventListener("click", openDocument);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
installScheme();
installKey(() => {
  version();
  show();
});
window.addEventListener("hashchange", show);
show();
version();
every(5, health);
