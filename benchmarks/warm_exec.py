"""B0 of the throughput benchmark: exec scripts in one warm plain interpreter of the runtime. No jail, no score.

Started by throughput.py in the runtime's interpreter. Reads one JSON line {"code": ...} a script, answers one JSON
line {"ok": bool, "ms": float}. Each script makes its picture: its own savefig calls as written, or one at its end.
"""

import contextlib
import io
import json
import os
import random
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
import matplotlib.pyplot as plt
import mpl_toolkits.mplot3d  # noqa: F401 (imported to be warm)
import networkx  # noqa: F401 (imported to be warm)
import numpy as np
import pandas  # noqa: F401 (imported to be warm)
import scipy.stats  # noqa: F401 (imported to be warm)
import seaborn  # noqa: F401 (imported to be warm)
from matplotlib.figure import Figure

warnings.simplefilter("ignore")
saved = 0
plain_savefig = Figure.savefig


def counting_savefig(figure: Figure, *args: object, **kwargs: object) -> None:
    """Counts the script's own saves, then saves."""
    global saved  # noqa: PLW0603 (one counter of one script)
    saved += 1
    plain_savefig(figure, *args, **kwargs)


Figure.savefig = counting_savefig


def run(code: str) -> bool:
    """Exec one script, make its picture; True when neither raised."""
    global saved  # noqa: PLW0603 (one counter of one script)
    saved = 0
    random.seed(0)
    np.random.seed(0)
    try:
        exec(compile(code, "<script>", "exec"), {"__name__": "__main__"})
        if not saved and plt.get_fignums():
            plain_savefig(plt.gcf(), "figure.png")
            saved = 1
        return saved > 0
    except BaseException:
        return False
    finally:
        plt.close("all")
        plt.rcdefaults()


def main() -> None:
    """Serve scripts from stdin until it closes."""
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    plain_savefig(figure, io.BytesIO())
    plt.close("all")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        code = json.loads(line)["code"]
        start = time.perf_counter()
        with (
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            ok = run(code)
        answers.write(json.dumps({"ok": ok, "ms": (time.perf_counter() - start) * 1e3}) + "\n")


if __name__ == "__main__":
    main()
