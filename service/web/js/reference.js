// The reference of a pair: code, a picture that is dropped or chosen, or the id of one registered before.

import { editor } from "./editor.js";
import { freshId, h, put, segments } from "./dom.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MOST_BYTES = 20_000_000;

/** {element, header, value(), useCode(text), useId(id), mark(line, message)}. */
export function referenceInput() {
  let kind = "code";
  let image = null; // base64
  let id = null;
  const code = editor("Reference code", { placeholder: "the script of the chart to compare with" });
  const switcher = h("div", {});
  const preview = h("div", { class: "preview" });
  const problem = h("p", { class: "error-text", role: "alert" });
  const file = h("input", { id: freshId("file"), type: "file", accept: TYPES.join(","), class: "sr", on: { change: () => take(file.files[0]) } });
  const drop = h("div", { class: "drop" }, preview, file, h("label", { for: file.id, class: "button quiet" }, "Choose a picture"), h("p", { class: "muted" }, "or drop or paste one here: PNG, JPEG, WebP"), problem);
  const element = h("div", { class: "reference" });

  function use(value) {
    kind = value;
    put(switcher, segments("What the reference is", [["code", "Code"], ["image", "Picture"]], kind === "id" ? "image" : kind, use));
    switcher.querySelector("input:checked")?.focus({ preventScroll: true });
    put(element, kind === "code" ? code.element : drop);
  }

  async function take(blob) {
    if (!blob) return;
    problem.textContent = "";
    if (!TYPES.includes(blob.type)) problem.textContent = "That is not a PNG, JPEG or WebP picture.";
    else if (blob.size > MOST_BYTES) problem.textContent = "A picture may have 20 MB.";
    if (problem.textContent) return;
    image = await base64(blob);
    id = null;
    quietly("image");
    put(preview, h("img", { alt: "Reference picture", src: `data:${blob.type};base64,${image}` }));
  }

  function quietly(value) {
    const active = document.activeElement;
    use(value);
    active?.focus?.({ preventScroll: true });
  }

  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    element.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  element.addEventListener("paste", (event) => {
    const picture = [...event.clipboardData.files].find(({ type }) => TYPES.includes(type));
    if (!picture) return;
    event.preventDefault();
    take(picture);
  });

  quietly("code");
  return {
    element,
    header: h("div", { class: "row between" }, h("h2", {}, "Reference"), switcher),
    value() {
      if (kind === "code") return { code: code.text };
      if (id) return { id };
      if (!image) throw new Error("Choose a reference picture first.");
      return { image };
    },
    useCode(text) {
      code.text = text;
      quietly("code");
    },
    useId(value) {
      id = value;
      image = null;
      quietly("image");
      put(preview, h("p", { class: "muted" }, "registered before as ", h("code", {}, value.slice(0, 80))));
    },
    mark: code.mark,
  };
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error("The picture cannot be read."));
    reader.readAsDataURL(blob);
  });
}
