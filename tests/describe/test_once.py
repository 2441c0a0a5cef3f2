"""What is worked out once instead of twice changes no pixel and no word: against matplotlib's own methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.describe.conftest import Forker

# Puts matplotlib's own methods back, in this child alone.
PLAIN = """
from matplotlib.axis import Axis
from matplotlib.text import Text
for owner, name in ((Axis, "draw"), (Axis, "get_tightbbox"), (Text, "_get_layout")):
    wrapped = getattr(owner, name)
    if wrapped.__module__ == "once":
        setattr(owner, name, wrapped.__wrapped__)
    del wrapped
assert Axis.draw.__module__ != "once" and Text._get_layout.__module__ != "once"
"""

SCRIPTS = {
    "labels and layout": """
fig, ax = plt.subplots(2, 2, figsize=(7, 5))
ax[0, 0].plot([1, 20, 3], label="$x^2$"); ax[0, 0].legend(); ax[0, 0].set_title("two\\nlines"); ax[0, 0].minorticks_on()
ax[0, 1].bar(["first", "second", "third"], [1, 2, 3]); ax[0, 1].tick_params(axis="x", rotation=45)
ax[1, 0].semilogy([1, 1000, 10]); ax[1, 0].set_ylabel("counts"); ax[1, 0].xaxis.tick_top()
ax[1, 1].plot([1e6, 2e6], [1e-9, 3e-9]); ax[1, 1].twinx().plot([5, 3]); ax[1, 1].set_xlabel("far")
fig.align_labels(); fig.suptitle("all of it", style="italic")
plt.tight_layout()
plt.savefig("a.png", bbox_inches="tight")
""",
    "constrained, polar, 3-D": """
fig = plt.figure(layout="constrained")
fig.add_subplot(221, projection="polar").plot([0, 1, 2], [1, 2, 1])
fig.add_subplot(222, projection="3d").plot([1, 2], [3, 4], [5, 6])
m = fig.add_subplot(212).imshow(np.arange(12).reshape(3, 4)); fig.colorbar(m, label="value")
plt.show()
""",
    "changed between two saves": """
fig, ax = plt.subplots()
line, = ax.plot([1, 2, 3]); text = ax.text(1, 2, "before", rotation=10); label = ax.set_ylabel("short")
fig.savefig("a.png")
text.set_text("after\\nit"); text.set_rotation(75); text.set_ha("right")
label.set_fontsize(22); label.set_text("long label")
line.set_ydata([100000, 2, 3]); ax.relim(); ax.autoscale_view(); ax.set_yticks([0, 50000, 100000])
fig.set_size_inches(5, 3)
fig.savefig("b.png")
""",
    "tickers that count their calls": """
from matplotlib.ticker import FixedLocator, FuncFormatter, Formatter
calls = []
class Counting(Formatter):
    def __call__(self, value, place=None):
        calls.append(value)
        return f"c{len(calls)}"
class Wandering(FixedLocator):
    def __call__(self):
        calls.append(0)
        return np.array([0.5, 1 + len(calls) / 50])
fig, ax = plt.subplots(1, 3)
for one in ax: one.plot([1, 2, 3])
ax[0].xaxis.set_major_formatter(FuncFormatter(lambda value, place: calls.append(value) or str(len(calls))))
ax[1].yaxis.set_major_formatter(Counting())
ax[2].xaxis.set_major_locator(Wandering([0]))
plt.tight_layout()
plt.show()
""",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_pictures_and_descriptions_are_those_of_plain_matplotlib(draw: Forker, name: str) -> None:
    once, plain = draw(SCRIPTS[name]), draw(PLAIN + SCRIPTS[name])
    assert once.status == plain.status == "ok", (once.error, plain.error)
    assert np.array_equal(once.pixels, plain.pixels)
    assert once.reply["description"] == plain.reply["description"]


def test_a_drawn_figure_can_be_pickled_and_copied(draw: Forker) -> None:
    drawn = draw(
        "import copy, pickle\nfig, ax = plt.subplots(); ax.plot([1, 2]); ax.set_title('kept'); fig.canvas.draw()\n"
        "plt.close(fig); again = copy.deepcopy(pickle.loads(pickle.dumps(fig))); again.savefig('a.png')"
    )
    assert drawn.status == "ok", drawn.error
    assert drawn.strings("title") == ["kept"]
