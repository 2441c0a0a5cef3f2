// The same request as curl or Python, to copy.

import { key } from "./session.js";

const dialog = document.getElementById("snippet-dialog");
const title = document.getElementById("snippet-title");
const text = document.getElementById("snippet-text");
const note = document.getElementById("snippet-note");

/** A shell command. The body goes through a quoted here-document: nothing in it is expanded. */
export function asCurl(body, origin = location.origin, keyed = Boolean(key())) {
  const json = JSON.stringify(body, null, 2);
  const auth = keyed ? " \\\n  -H \"Authorization: Bearer $CHARTREWARD_KEY\"" : "";
  return `curl -sS '${origin}/v1/rewards?wait=60' \\\n  -H 'Content-Type: application/json'${auth} \\\n  --data-binary @- <<'CHARTREWARD_BODY'\n${json}\nCHARTREWARD_BODY\n`;
}

/** A script for the client. A JSON string is a Python string, too. */
export function asPython(body, origin = location.origin, keyed = Boolean(key())) {
  const [item] = body.items;
  const reference = item.reference;
  const quoted = (value) => JSON.stringify(value);
  const options = [`${quoted(origin)}`, keyed ? 'key=os.environ["CHARTREWARD_KEY"]' : null, `profile=${quoted(body.profile)}`, body.runtime ? `runtime=${quoted(body.runtime)}` : null]
    .filter(Boolean)
    .join(", ");
  const source = reference.code !== undefined ? ["code", reference.code] : reference.image !== undefined ? ["image", reference.image] : ["id", reference.id];
  return [
    keyed ? "import os\n" : null,
    "from chartreward.client import RewardClient",
    "",
    `generated = ${quoted(item.code ?? item.completion)}`,
    `reference = {${quoted(source[0])}: ${quoted(source[1])}}`,
    "",
    `with RewardClient(${options}) as client:`,
    `    [result] = client.score([{"${item.code !== undefined ? "code" : "completion"}": generated, "reference": reference}])`,
    "print(result.reward, {name: signal.value for name, signal in result.signals.items()})",
    "",
  ]
    .filter((line) => line !== null)
    .join("\n");
}

/** Show a snippet in a dialog; Copy puts it on the clipboard, or selects it where the browser forbids that. */
export function showSnippet(name, content) {
  title.textContent = name;
  text.textContent = content;
  note.textContent = "";
  dialog.showModal();
}

/** Put text on the clipboard; false where that is not allowed (plain http from another machine). */
export async function copyText(content) {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    return false;
  }
}

document.getElementById("snippet-close").addEventListener("click", () => dialog.close());
document.getElementById("snippet-copy").addEventListener("click", async () => {
  if (await copyText(text.textContent)) {
    note.textContent = "Copied.";
    return;
  }
  getSelection().selectAllChildren(text);
  note.textContent = "Selected: copy it with the keyboard.";
});
