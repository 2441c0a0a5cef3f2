"""A signal added as CONTRIBUTING says: one new file, one line, one test. Done in a copy of the tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

SIGNAL = '''"""`toy`: have both charts the same number of axes?"""

from __future__ import annotations

from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, unavailable


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """1 when the counts are equal, else the smaller over the larger."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture")
    ours, theirs = len(generated.description.axes), len(reference.description.axes)
    return SignalResult(value=min(ours, theirs) / max(ours, theirs, 1), generated=ours, reference=theirs)


SIGNAL = Signal("toy", compare)
'''
TEST = '''"""The toy signal."""

import numpy as np

from chartreward.description import Axes, Axis, ChartDescription
from chartreward.profiles.options import NoOptions
from worker.similarity import SIGNALS
from worker.similarity.chart import Chart


def chart(count: int) -> Chart:
    axis = Axis(limits=(0, 1))
    axes = [Axes(box=(0, 0, 9, 9), x=axis, y=axis) for _ in range(count)]
    description = ChartDescription(width=10, height=10, figsize=(1, 1), axes=axes)
    return Chart(np.zeros((10, 10, 3), np.uint8), description)


def test_toy() -> None:
    assert SIGNALS["toy"](chart(1), chart(2), NoOptions()).value == 0.5
    assert SIGNALS["toy"](chart(2), chart(2), NoOptions()).value == 1.0
'''
PROFILE = {"name": "toys", "signals": [{"name": "toy"}, {"name": "text"}], "combine": "mean", "range": [0, 1]}
ONE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('toy')\n"
TWO = (
    "import matplotlib.pyplot as plt\nfig, axes = plt.subplots(1, 2)\naxes[0].plot([1, 2])\naxes[0].set_title('toy')\n"
)

pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository's packages, with the toy signal in it."""
    for name in ("chartreward", "service", "worker"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".runtimes").symlink_to(ROOT / ".runtimes")
    (tmp_path / "worker" / "similarity" / "toy.py").write_text(SIGNAL)  # the new file
    registry = tmp_path / "worker" / "similarity" / "__init__.py"
    text = registry.read_text()
    assert text.count('    "plot2code",\n') == 1
    registry.write_text(text.replace('    "plot2code",\n', '    "plot2code",\n    "toy",\n'))  # the line
    (tmp_path / "test_toy.py").write_text(TEST)  # the test
    return tmp_path


def run(tree: Path, *command: str) -> str:
    """A Python command that imports the copy. Its standard output."""
    env = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("CHARTREWARD_URL", None)
    env.setdefault("CHARTREWARD_CACHE", str(ROOT / ".cache" / "graphs"))  # exported once by make setup
    command = (sys.executable, *command)
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=450)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(1500)
def test_one_file_one_line_one_test(tree: Path) -> None:
    imported = run(tree, "-c", "import worker.similarity as s, chartreward as c; print(s.__file__, c.__file__)")
    assert imported.count(str(tree)) == 2, "the copy is what runs"
    assert "1 passed" in run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "test_toy.py")

    (tree / "toys.json").write_text(json.dumps(PROFILE))
    (tree / "one.py").write_text(ONE)
    (tree / "two.py").write_text(TWO)
    command = ["-c", "from chartreward.cli import main; main()", "score", "one.py", "two.py", "--profile", "toys.json"]
    result = json.loads(run(tree, *command, "--json"))
    assert result["status"] == "ok" and result["profile"] == "toys@1"
    signals = result["signals"]
    assert (signals["toy"]["value"], signals["toy"]["weight"]) == (0.5, 0.5)
    assert result["reward"] == pytest.approx(0.5 * signals["toy"]["value"] + 0.5 * signals["text"]["value"])
