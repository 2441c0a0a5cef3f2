// The visitor's key: in session storage alone, and asked for when the service says 401.

const NAME = "chartreward.key";
const dialog = document.getElementById("key-dialog");
const input = document.getElementById("key-input");
const problem = document.getElementById("key-error");
const button = document.getElementById("key-button");

let asking = null;
let declined = false;

/** The key, or null. */
export function key() {
  return sessionStorage.getItem(NAME);
}

function remember(value) {
  if (value) sessionStorage.setItem(NAME, value);
  else sessionStorage.removeItem(NAME);
  button.textContent = value ? "API key ✓" : "API key";
}

/** Ask for a key; resolves to true when one was given. One dialog at a time, whoever asks. */
export function askKey(reason = "", { byHand = false } = {}) {
  if (declined && !byHand) return Promise.resolve(false);
  asking ??= new Promise((resolve) => {
    problem.textContent = reason;
    input.value = "";
    dialog.returnValue = "cancel";
    dialog.showModal();
    input.focus();
    dialog.addEventListener(
      "close",
      () => {
        asking = null;
        const given = dialog.returnValue === "use" && input.value.trim();
        if (given) remember(input.value.trim());
        if (dialog.returnValue === "forget") remember(null);
        declined = !given;
        input.value = "";
        resolve(Boolean(given));
      },
      { once: true },
    );
  });
  return asking;
}

/** Let the button in the header ask, and tell `changed` about a new key. */
export function installKey(changed) {
  remember(key());
  // Enter in the field means the main button, not the first one.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    dialog.close("use");
  });
  button.addEventListener("click", async () => {
    await askKey("", { byHand: true });
    changed();
  });
}
