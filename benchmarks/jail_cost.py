"""What the lock-down costs a job: the same charts in a jail and in one whose children are not locked, in turn.

    .venv/bin/python benchmarks/jail_cost.py [--jobs 200] [--runtime mpl38]

Also says whether the pictures are bit-identical. The unlocked jail is a copy of worker/sandboxed/ in a temporary folder
whose lock-down stops after the new session and the work directory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from worker.jail import Jail, JailSettings, Runtime, zygote

ROOT = Path(__file__).parents[1]
CHARTS = {
    "no figure": "x = 1",
    "line": "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3], [3, 1, 2]); plt.title('Line'); plt.savefig('a.png')",
    "bars": "import numpy as np, matplotlib.pyplot as plt\nfig, axes = plt.subplots(2, 2, figsize=(10, 8))\n"
    "for a in axes.flat: a.bar(range(12), np.random.rand(12), label='x'); a.legend(); a.grid()\n"
    "plt.tight_layout(); plt.show()",
}


def unlocked_copy(folder: Path) -> Path:
    """worker/sandboxed/ whose lock-down only starts a session and enters the work directory."""
    target = folder / "sandboxed"
    shutil.copytree(zygote.SANDBOXED, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    path = target / "lockdown.py"
    source = path.read_text()
    marker = "        self.leave_session()\n"
    assert source.count(marker) == 1
    path.write_text(source.replace(marker, marker + "        os.fchdir(work)\n        return\n"))
    for one in [folder, target, *target.iterdir()]:
        one.chmod(0o755)
    return target


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--runtime", default="mpl38")
    arguments = parser.parse_args()
    runtime = Runtime(arguments.runtime, ROOT / ".runtimes" / arguments.runtime / "bin" / "python")
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as temporary, Jail(runtime, JailSettings(recycle_after=10**9)) as locked:
        zygote.SANDBOXED = unlocked_copy(Path(temporary))
        with Jail(runtime, JailSettings(recycle_after=10**9, reduced=True)) as bare:
            for name, code in CHARTS.items():
                times: dict[str, list[float]] = {"locked": [], "bare": []}
                pictures: dict[str, set[bytes]] = {"locked": set(), "bare": set()}
                for _ in range(arguments.jobs):
                    for key, jail in (("locked", locked), ("bare", bare)):
                        start = time.perf_counter()
                        outcome = jail.run(code)
                        times[key].append((time.perf_counter() - start) * 1000)
                        pictures[key].add(b"" if outcome.pixels is None else outcome.pixels.tobytes())
                with_lock, without = (statistics.median(times[key]) for key in ("locked", "bare"))
                found[name] = {
                    "locked_p50_ms": round(with_lock, 2),
                    "bare_p50_ms": round(without, 2),
                    "cost_p50_ms": round(with_lock - without, 2),
                    "identical": pictures["locked"] == pictures["bare"] and len(pictures["bare"]) == 1,
                }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
