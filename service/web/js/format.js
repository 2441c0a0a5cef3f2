// Numbers, times, names and colours as people read them.

/** 0.8642 -> "0.864"; null -> "–". */
export function number(value, digits = 3) {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);
}

/** Large counts with thin separators. */
export function count(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
}

/** 0.95 -> "95 %". */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${Math.round(value * 100)}\u202f%`;
}

/** Milliseconds as "12 ms", "1.4 s", "3 min". */
export function duration(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1000) return `${Math.round(ms)}\u202fms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}\u202fs`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)}\u202fmin`;
  return `${(ms / 3_600_000).toFixed(1)}\u202fh`;
}

/** Seconds since the epoch as "just now", "12 s ago". */
export function ago(seconds) {
  const passed = Date.now() - seconds * 1000;
  return passed < 1500 ? "just now" : `${duration(passed)} ago`;
}

/** Seconds since the epoch as the visitor's clock shows them. */
export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleString();
}

const STATUS = {
  ok: "drawn",
  no_code: "no code",
  syntax_error: "syntax error",
  runtime_error: "exception",
  no_figure: "no figure",
  timeout: "timeout",
  memory_limit: "memory limit",
  output_limit: "output limit",
  figure_too_large: "figure too large",
  forbidden: "forbidden",
  crashed: "crashed",
  bad_reference: "bad reference",
  cancelled: "cancelled",
  deadline: "deadline",
  worker_error: "worker error",
};

/** A status in words. */
export function statusText(status) {
  return STATUS[status] ?? String(status);
}

const OURS = new Set(["worker_error", "cancelled", "deadline", "bad_reference"]);

/** good: drawn; bad: the code's fault; ours: nobody was rewarded. */
export function statusKind(status) {
  if (status === "ok") return "good";
  return OURS.has(status) ? "ours" : "bad";
}

/** `visual.efficientnet_lite0` -> "visual · efficientnet_lite0". */
export function signalTitle(name) {
  return name.replaceAll("_", " ").replace(".", " · ");
}

/** A colour that came from outside, if it is one (`#rrggbb`). */
export function safeColor(text) {
  return /^#[0-9a-f]{6}$/i.test(text) ? text : null;
}

/** Class of the n-th signal: twelve hues, then again. */
export function hue(index) {
  return `hue-${(index % 12) + 1}`;
}
