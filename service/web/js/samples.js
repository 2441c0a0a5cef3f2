// Pairs to begin with.

const REFERENCE = `import matplotlib.pyplot as plt
import numpy as np

quarters = ["Q1", "Q2", "Q3", "Q4"]
hardware = [4.2, 5.1, 4.8, 6.3]
services = [3.1, 3.9, 4.6, 5.8]

x = np.arange(len(quarters))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
left.bar(x - 0.2, hardware, 0.4, label="Hardware", color="#1b6ca8")
left.bar(x + 0.2, services, 0.4, label="Services", color="#e07a1f")
left.set_xticks(x, quarters)
left.set_ylabel("Revenue (M$)")
left.set_title("Revenue by quarter")
left.legend()

right.plot(quarters, np.array(services) / np.array(hardware), marker="o", color="#2a9d55")
right.set_ylim(0.5, 1.1)
right.set_ylabel("Services per hardware dollar")
right.set_title("Mix")
right.grid(alpha=0.3)

plt.tight_layout()
plt.savefig("sales.png", dpi=100)
`;

const CLOSE = REFERENCE.replace("[4.2, 5.1, 4.8, 6.3]", "[4.2, 5.0, 4.8, 5.9]")
  .replace("#e07a1f", "#d95f5f")
  .replace('"Services per hardware dollar"', '"Ratio"')
  .replace('right.set_title("Mix")', 'right.set_title("Mix over time")');

/** [{name, kind, text, reference}]. */
export const SAMPLES = [
  { name: "Close, not equal", kind: "code", text: CLOSE, reference: REFERENCE },
  { name: "The reference itself", kind: "code", text: REFERENCE, reference: REFERENCE },
  {
    name: "A completion",
    kind: "completion",
    text: `Two panels: grouped bars, and the ratio as a line.\n\n\`\`\`python\n${CLOSE.replace("#d95f5f", "#e07a1f")}\`\`\`\n`,
    reference: REFERENCE,
  },
  { name: "An exception", kind: "code", text: REFERENCE.replace("left.set_ylabel", "left.set_y_label"), reference: REFERENCE },
  { name: "Never returns", kind: "code", text: "import matplotlib.pyplot as plt\n\nwhile True:\n    plt.plot([1, 2, 3])\n", reference: REFERENCE },
  {
    name: "Tries to cheat",
    kind: "code",
    text: REFERENCE.replace("plt.tight_layout()", 'right.text(9, 9, "Services", clip_on=False)\nleft.text(1, 3, "Hardware", color="#ffffff", alpha=0.0)\nright.plot(quarters, [0.7, 0.8, 0.9, 1.0], color="#ffffff")\n\nplt.tight_layout()'),
    reference: REFERENCE,
  },
];
