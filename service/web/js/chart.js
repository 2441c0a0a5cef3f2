// One chart: its picture, and over it the boxes of its texts, marks, axes and findings.

import { foreign, h, put, s } from "./dom.js";
import { picture } from "./api.js";

/** Boxes of a description: [{kind, box, name, label}], small ones last so that they lie on top. */
export function boxesOf(description, findings = []) {
  if (!description && !findings.length) return [];
  const texts = (description?.texts ?? []).filter((text) => text.visible);
  const marks = (description?.marks ?? []).filter((mark) => mark.visible);
  const boxes = [
    ...marks.map((mark) => ({ kind: "mark", box: mark.box, name: mark.kind, label: mark.label, colors: mark.colors })),
    ...texts.map((text) => ({ kind: "text", box: text.box, name: text.role, label: text.string, colors: [text.color] })),
    ...findings.filter((one) => one.box).map((one) => ({ kind: "finding", box: one.box, name: one.why, label: one.name })),
  ];
  return boxes.sort((a, b) => area(b.box) - area(a.box));
}

function area([left, top, right, bottom]) {
  return Math.max(0, right - left) * Math.max(0, bottom - top);
}

/** The smallest box at a place; marks that are thin are caught within `reach` pixels. */
export function boxAt(boxes, x, y, reach = 3) {
  const hits = boxes.filter(
    ({ box: [left, top, right, bottom] }) => x >= left - reach && x <= right + reach && y >= top - reach && y <= bottom + reach,
  );
  return hits.at(-1) ?? null;
}

function rectangle({ kind, box: [left, top, right, bottom] }, extra = "") {
  const pad = 1.5;
  return s("rect", {
    class: `box ${kind} ${extra}`,
    x: left - pad,
    y: top - pad,
    width: Math.max(1, right - left) + 2 * pad,
    height: Math.max(1, bottom - top) + 2 * pad,
    rx: 2,
  });
}

/**
 * A figure with its overlay. `render`: {url, width, height} or null; `missing` says why there is none.
 * Returns {element, show({text, mark, finding}), point(boxes)}.
 */
export function chart(caption, render, description, findings = [], missing = "no picture") {
  if (!render) {
    const element = h("figure", { class: "chart" }, h("figcaption", {}, caption), h("div", { class: "canvas none" }, missing));
    return { element, show: () => undefined, point: () => undefined };
  }
  const boxes = boxesOf(description, findings);
  const image = h("img", { alt: `${caption} chart`, width: render.width, height: render.height });
  const always = s("g", {});
  const hovered = s("g", {});
  const pointed = s("g", {});
  const width = description?.width ?? render.width;
  const height = description?.height ?? render.height;
  const overlay = s("svg", { class: "overlay", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, always, pointed, hovered);
  const note = h("span", { class: "under-pointer muted" });
  load(image, render.url);

  overlay.addEventListener("pointermove", (event) => {
    const place = overlay.getBoundingClientRect();
    const hit = boxAt(boxes, ((event.clientX - place.left) / place.width) * width, ((event.clientY - place.top) / place.height) * height);
    put(hovered, hit ? rectangle(hit, "hovered") : null);
    if (hit) put(note, h("b", {}, hit.name), " ", foreign(hit.label, 80));
    else put(note);
  });
  overlay.addEventListener("pointerleave", () => {
    put(hovered);
    put(note);
  });

  const element = h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("span", {}, caption), note),
    h("div", { class: "canvas", style: { "--ratio": width / height } }, image, overlay),
  );
  return {
    element,
    show: (kinds) => put(always, boxes.filter(({ kind }) => kinds[kind]).map((box) => rectangle(box))),
    point: (some) => put(pointed, some.map((box) => rectangle({ kind: "pointed", box }))),
  };
}

/** Fill an <img> from a render; a broken one says so in its place. */
export function load(image, url) {
  picture(url).then(
    (address) => (image.src = address),
    (error) => image.replaceWith(h("span", { class: "none" }, error.status === 404 ? "the picture is no longer kept" : error.message)),
  );
}
