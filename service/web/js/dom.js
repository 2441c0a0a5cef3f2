// Elements from data. Text only ever becomes text: there is no way in here to make markup from a string.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name === "style") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: h("p", {class: "muted", on: {click}, style: {"--x": 1}}, "text", child, ...). */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element, made the same way. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Put other children into a node. */
export function put(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SHOWN = 240;

/** Submitted text: isolated (it may run right to left), cut where it is very long. */
export function foreign(text, most = SHOWN) {
  const whole = String(text ?? "");
  const characters = whole.length > most ? `${whole.slice(0, most)}…` : whole;
  const node = h("bdi", { class: "foreign" }, characters);
  if (whole.length > most) node.title = `${whole.length} characters`;
  return node;
}

let serial = 0;

/** An id for a label, a panel: unique on the page. */
export function freshId(stem) {
  serial += 1;
  return `${stem}-${serial}`;
}

/** Radio buttons as a segmented control. `choices`: [[value, label], ...]. */
export function segments(legend, choices, chosen, change) {
  const name = freshId("segment");
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "sr" }, legend),
    choices.map(([value, label]) => {
      const input = h("input", { type: "radio", name, value, on: { change: () => change(value) } });
      input.checked = value === chosen;
      return h("label", {}, input, h("span", {}, label));
    }),
  );
}

/** A labelled checkbox as a small chip. */
export function chip(label, checked, change) {
  const input = h("input", { type: "checkbox", on: { change: () => change(input.checked) } });
  input.checked = checked;
  return h("label", { class: "chip" }, input, h("span", {}, label));
}

/** What stands where there is nothing yet. */
export function empty(title, ...details) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("p", { class: "muted" }, ...details));
}
