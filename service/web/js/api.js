// The service's HTTP API, with the visitor's key. Everything stays on this origin.

import { askKey, key } from "./session.js";

/** What the service answered instead of an answer (RFC 9457), or why there was none. */
export class ApiError extends Error {
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError(response.status, body.detail ?? `the service answered ${response.status}`, body.errors ?? []);
}

async function send(path, { method = "GET", json, signal, byHand = false } = {}) {
  for (;;) {
    const used = key();
    const headers = { Accept: "application/json" };
    if (used) headers.Authorization = `Bearer ${used}`;
    if (json !== undefined) headers["Content-Type"] = "application/json";
    const body = json === undefined ? undefined : JSON.stringify(json);
    let response;
    try {
      response = await fetch(path, { method, headers, body, signal, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "the service does not answer");
    }
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    if (key() !== used) continue; // another request asked meanwhile
    if (!(await askKey(used ? "The service does not know this key." : "", { byHand }))) {
      throw new ApiError(401, "the service asks for an API key");
    }
  }
}

/** GET as JSON. */
export async function get(path, options) {
  return (await send(path, options)).json();
}

/** GET as text. */
export async function getText(path, options) {
  return (await send(path, options)).text();
}

/** POST JSON, answer JSON. */
export async function post(path, json, options) {
  return (await send(path, { method: "POST", json, ...options })).json();
}

/** DELETE, answer JSON. */
export async function remove(path, options) {
  return (await send(path, { method: "DELETE", ...options })).json();
}

// --- pictures: fetched with the key, shown from memory ---------------------------------------------

const MOST = 300;
const pictures = new Map();

/** An address of a render that <img> can show; fetched once. */
export function picture(url) {
  if (!pictures.has(url)) {
    const fetched = send(url).then((response) => response.blob()).then((blob) => URL.createObjectURL(blob));
    pictures.set(url, fetched);
    fetched.catch(() => pictures.delete(url));
    if (pictures.size > MOST) {
      const [oldest, address] = pictures.entries().next().value;
      pictures.delete(oldest);
      address.then(URL.revokeObjectURL, () => undefined);
    }
  }
  return pictures.get(url);
}

// --- what hardly changes, asked once ---------------------------------------------------------------

let recipes = null;

/** All profiles. */
export function profiles() {
  recipes ??= get("/v1/profiles");
  recipes.catch(() => (recipes = null));
  return recipes;
}

/** Limits, runtimes, versions; asked again until a worker has answered. */
export function info(options) {
  return get("/v1/info", options);
}

// --- repeated looks --------------------------------------------------------------------------------

/** Call `look` now and every `seconds` while the page is seen; returns what stops it. `look` handles its errors. */
export function every(seconds, look) {
  let timer = null;
  let stopped = false;
  async function turn() {
    clearTimeout(timer);
    if (stopped) return;
    if (!document.hidden) await look();
    if (!stopped) timer = setTimeout(turn, seconds * 1000);
  }
  const wake = () => {
    if (!document.hidden) turn();
  };
  document.addEventListener("visibilitychange", wake);
  turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", wake);
  };
}
