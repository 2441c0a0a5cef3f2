"""Every limit: just within it a chart is drawn, beyond it the job ends with the limit's own status and message."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.jail.conftest import RUNTIME
from worker.jail import Jail, JailSettings

DRAW = "\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(2, 1)); plt.plot([1, 2])\n"
TIGHT = JailSettings(
    timeout_s=20,
    memory_mb=256,
    max_pixels=100_000,
    max_figures=3,
    output_bytes=10_000,
    work_bytes=1_048_576,
    work_inodes=20,
    threads=8,
    open_files=40,
)
WAIT = "\nimport time; time.sleep(30)\n"


@pytest.fixture(scope="module")
def tight() -> Iterator[Jail]:
    with Jail(RUNTIME, TIGHT) as jail:
        yield jail


@pytest.mark.parametrize(
    "code",
    [
        "x = bytearray(100 << 20)",
        "import matplotlib.pyplot as plt\nplt.figure(); plt.close()",
        "print('x' * 9000)",
        "open('f', 'wb').write(bytes(900_000))",
        "for n in range(15): open(str(n), 'w').close()",
        "import threading, time\nfor _ in range(6): threading.Thread(target=time.sleep, args=(.2,)).start()",
        "fs = [open('/dev/null') for _ in range(20)]",
    ],
)
def test_within_every_limit_a_chart_is_drawn(code: str, tight: Jail) -> None:
    outcome = tight.run(code + DRAW)
    assert outcome.status == "ok", outcome.error


@pytest.mark.parametrize(
    ("code", "status", "kind", "denied"),
    [
        ("import time; time.sleep(60)", "timeout", "Timeout", None),
        ("x = bytearray(300 << 20)", "memory_limit", "MemoryError", None),
        (
            "import matplotlib.pyplot as plt; plt.figure(figsize=(4, 4)); plt.savefig('x')",
            "figure_too_large",
            "FigureTooLargeError",
            None,
        ),
        (
            "import matplotlib.pyplot as plt\nfor _ in range(4): plt.figure()",
            "figure_too_large",
            "TooManyFiguresError",
            None,
        ),
        ("print('x' * 20_000)" + WAIT, "output_limit", "OutputLimit", None),
        ("import sys\nsys.stderr.write('x' * 20_000)" + WAIT, "output_limit", "OutputLimit", None),
        ("open('f', 'wb').write(bytes(2_000_000))", "output_limit", "OSError", None),
        ("for n in range(3): open(str(n), 'wb').write(bytes(600_000))" + WAIT, "output_limit", "DiskLimit", None),
        ("for n in range(30): open(str(n), 'w').close()" + WAIT, "output_limit", "DiskLimit", None),
        (
            "import threading, time\nfor _ in range(20): threading.Thread(target=time.sleep, args=(60,)).start()"
            + WAIT,
            "forbidden",
            "ThreadLimit",
            "start more threads",
        ),
        ("fs = [open('/dev/null') for _ in range(60)]", "forbidden", "OSError", "open more files"),
    ],
)
def test_beyond_it_the_job_ends_with_its_status(
    code: str, status: str, kind: str, denied: str | None, tight: Jail
) -> None:
    outcome = tight.run(code + DRAW, timeout_s=0.5 if status == "timeout" else None)
    assert outcome.error is not None
    assert (outcome.status.value, outcome.error.type, outcome.denied) == (status, kind, denied), outcome.error
    assert outcome.error.message
