// A scored pair in the address itself: nothing is stored, and what follows # never reaches a server by itself.

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

/** JSON, deflated, as base64url. */
export async function pack(pair) {
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(JSON.stringify(pair)));
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const MOST = 3_000_000;

/** The inverse of `pack`, or null for anything else. Strings only, of known names. */
export async function unpack(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
    const json = await through(new DecompressionStream("deflate-raw"), bytes);
    if (json.length > MOST) return null;
    const data = JSON.parse(new TextDecoder().decode(json));
    const string = (value) => (typeof value === "string" ? value : null);
    return {
      kind: data.kind === "completion" ? "completion" : "code",
      text: string(data.text) ?? "",
      reference: string(data.reference),
      referenceId: string(data.referenceId),
      profile: string(data.profile),
      runtime: string(data.runtime),
      timeout: Number.isFinite(data.timeout) ? data.timeout : null,
    };
  } catch {
    return null;
  }
}
