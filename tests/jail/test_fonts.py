"""A job's fonts need no descriptor: what the zygote opened is closed in a job, in every runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jail.conftest import SETTINGS
from worker.jail import Jail, Runtime

ROOT = Path(__file__).parents[2]

WRITING = """
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
ax.plot([1, 2])
ax.set_title("plain \\u00e4 $x^2$")
for number, family in enumerate(("serif", "monospace", "cursive", "STIXGeneral")):
    for style in ("normal", "italic"):
        ax.text(0, 1 + number / 5, "written", family=family, style=style, weight="bold" if number % 2 else "normal")
plt.show()
"""


@pytest.mark.parametrize("runtime", ["mpl38", "current"])
def test_writing_in_many_fonts(runtime: str) -> None:
    python = ROOT / ".runtimes" / runtime / "bin" / "python"
    with Jail(Runtime(runtime, python), SETTINGS) as jail:
        outcomes = [jail.run(WRITING + f"# {number}\n", timeout_s=30) for number in range(2)]
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"], outcomes[0].error
    first, second = outcomes
    assert first.pixels is not None
    assert second.pixels is not None
    assert (first.pixels == second.pixels).all()
    assert first.description is not None
    assert sum(text.string == "written" for text in first.description.texts) == 8
