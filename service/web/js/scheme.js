// Light, dark, or as the system says.

const NAME = "chartreward.scheme";
const ORDER = ["auto", "light", "dark"];

/** Let the button in the header go round the three. */
export function installScheme() {
  const button = document.getElementById("scheme-button");
  const use = (scheme) => {
    if (scheme === "auto") delete document.documentElement.dataset.scheme;
    else document.documentElement.dataset.scheme = scheme;
    button.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[scheme];
    button.setAttribute("aria-label", `Colour scheme: ${scheme}`);
  };
  let scheme = localStorage.getItem(NAME);
  if (!ORDER.includes(scheme)) scheme = "auto";
  use(scheme);
  button.addEventListener("click", () => {
    scheme = ORDER[(ORDER.indexOf(scheme) + 1) % ORDER.length];
    localStorage.setItem(NAME, scheme);
    use(scheme);
  });
}
