# ruff: noqa: E501 (code to run reads best on one line)
"""The long runs: thousands of mixed jobs, random system calls, and every script of the development corpus."""

from __future__ import annotations

import gc
import gzip
import json
import os
import platform
import queue
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.jail.conftest import BENIGN, ROOT, RUNTIME, SETTINGS
from tests.jail.hostile import ATTACKS, PRELUDE
from worker.jail import Jail, JailSettings, Outcome, zygote

CORPUS = ROOT.parent / "shared" / "corpora" / "chartmimic-dev.jsonl.gz"
CHARTS = [
    BENIGN,
    "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 2)); plt.bar('abc', [3, 1, 2], color='teal'); plt.show()",
    "import numpy as np, matplotlib.pyplot as plt\nplt.figure(figsize=(3, 3)); plt.imshow(np.random.rand(9, 9)); plt.colorbar()",
    "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 3)); plt.pie([1, 2, 3], labels=list('abc')); plt.savefig('p.png', dpi=300)",
]
LASTING = {"05 numpy filling", "09 1e7-point scatter", "09 artists without end", "14 swap race", "39 zip-bomb import"}


def resources() -> dict[str, int]:
    gc.collect()
    me = psutil.Process()
    return {"fds": me.num_fds(), "threads": me.num_threads(), "children": len(me.children(recursive=True))}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacks use x86_64 call numbers")
@pytest.mark.parametrize(
    ("jobs", "slots"),
    [
        pytest.param(400, 4, marks=[pytest.mark.slow, pytest.mark.timeout(3600)], id="400 jobs over 4 slots"),
        # 64 warm interpreters: 10 GB of memory, and half an hour on two cores.
        pytest.param(
            int(os.environ.get("CHARTREWARD_SOAK_JOBS", "2000")),
            int(os.environ.get("CHARTREWARD_SOAK_SLOTS", "64")),
            marks=[pytest.mark.long, pytest.mark.timeout(7200)],
            id="2000 jobs over 64 slots",
        ),
    ],
)
def test_mixed_jobs_in_parallel_leave_everything_as_it_was(jobs: int, slots: int) -> None:
    """Half benign, half hostile, all slots busy: nothing lost, nothing changed, nothing grown."""
    rng = random.Random(3)
    # Case 66 makes the supervisor read megabytes, which its allocator keeps for a while: that is no leak.
    hostile = [one for one in ATTACKS if one.name not in LASTING and not one.name.startswith("66")]
    before = resources()
    free: queue.SimpleQueue[Jail] = queue.SimpleQueue()
    jails = [Jail(RUNTIME, SETTINGS) for _ in range(slots)]
    try:
        for jail in jails:
            jail.start()
            free.put(jail)
        solo = [outcome.pixels.tobytes() for code in CHARTS if (outcome := jails[0].run(code)).pixels is not None]
        assert len(solo) == len(CHARTS)

        def one(number: int) -> str | None:
            jail = free.get()
            try:
                if number % 2:
                    chart = number // 2 % len(CHARTS)
                    outcome = jail.run(CHARTS[chart], timeout_s=60)
                    same = outcome.pixels is not None and outcome.pixels.tobytes() == solo[chart]
                    return None if same else f"chart {chart}: {outcome.status} {outcome.error}"
                attack = hostile[picks[number]]
                outcome = jail.run(PRELUDE + attack.code, timeout_s=attack.timeout_s, memory_mb=attack.memory_mb)
                # A machine this full may be too slow for what an attack does before it is refused.
                expected = outcome.status.value in {*attack.statuses, "timeout"}
                return (
                    None
                    if expected and "ESCAPED" not in str(outcome.error)
                    else f"{attack.name}: {outcome.status} {outcome.error}"
                )
            finally:
                free.put(jail)

        picks = [rng.randrange(len(hostile)) for _ in range(jobs)]
        with ThreadPoolExecutor(max(64, slots)) as pool:
            wrong = list(pool.map(one, range(jobs // 4)))
            memory = psutil.Process().memory_info().rss
            zygotes = [jail.zygote_rss_mb for jail in jails]
            wrong += pool.map(one, range(jobs // 4, jobs))
        assert len(wrong) == jobs
        assert [text for text in wrong if text] == []
        assert psutil.Process().memory_info().rss - memory < 128 * 1_048_576
        for jail, first in zip(jails, zygotes, strict=True):
            assert jail.zygote_rss_mb - first < 16
            assert jail._zygote is not None
            assert jail._folder is not None
            assert psutil.Process(jail._zygote.pid).children(recursive=True) == []
            assert psutil.Process(jail._zygote.pid).num_threads() == 1
            assert jail._folder.leftovers() == []
    finally:
        for jail in jails:
            jail.close()
    assert resources() == before


FUZZ = """
import random
rng = random.Random({seed})
buffers = [ctypes.create_string_buffer(rng.randbytes(256), 4096) for _ in range(4)]
def word():
    return rng.choice([0, 1, 2, 3, 4, 7, 16, 255, 4096, -1, -100, 1 << 31, (1 << 63) - 1, os.getppid(), os.getpid(), 1,
        rng.getrandbits(12), rng.getrandbits(32), *[ctypes.addressof(b) for b in buffers], ctypes.addressof(buffers[0])])
for _ in range({count}):
    number = rng.choice([rng.randrange(470), rng.randrange(470), rng.randrange(470), rng.randrange(1 << 30)])
    if number in (60, 231, 34, 35, 230, 7, 270, 271, 23, 202, 128, 15):  # exit, waits, sigreturn: they end or stall the fuzz
        continue
    L.syscall(ctypes.c_long(number), *[ctypes.c_long(word()) for _ in range(6)])
draw()
"""


@pytest.fixture(scope="module")
def lasting() -> Iterator[Jail]:
    """A jail whose zygote is never replaced by design, so that another one means that the first was lost."""
    with Jail(RUNTIME, replace(SETTINGS, recycle_after=1_000_000, recycle_s=1e9)) as one:
        yield one


def _fuzz(jail: Jail, seeds: range, count: int) -> None:
    assert jail._zygote is not None
    first = jail._zygote.pid
    expected = jail.run(BENIGN)
    for seed in seeds:
        outcome = jail.run(PRELUDE + FUZZ.format(seed=seed, count=count), timeout_s=2)
        assert outcome.status != "worker_error"
        again = jail.run(BENIGN)
        assert again.pixels is not None
        assert expected.pixels is not None
        assert again.pixels.tobytes() == expected.pixels.tobytes()
    assert jail._zygote is not None
    assert jail._zygote.pid == first
    assert psutil.Process(first).children(recursive=True) == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="call numbers of x86_64")
def test_random_system_calls_harm_nobody(lasting: Jail) -> None:
    _fuzz(lasting, range(12), 300)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="call numbers of x86_64")
def test_many_random_system_calls_harm_nobody(lasting: Jail) -> None:
    _fuzz(lasting, range(1000, 1400), 2000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not CORPUS.exists(), reason="the development corpus lies beside the repository (../shared)")
def test_no_script_of_the_corpus_loses_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gzip.open(CORPUS, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    from benchmarks.jail_cost import unlocked_copy

    scripts = corpus_scripts(rows)
    for path in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and path.is_relative_to(tmp_path.parents[1]):
            path.chmod(0o755)
    settings = JailSettings(timeout_s=60.0)
    different = []
    with Jail(RUNTIME, settings) as locked:
        monkeypatch.setattr(zygote, "SANDBOXED", unlocked_copy(tmp_path))
        with Jail(RUNTIME, JailSettings(timeout_s=60.0, reduced=True)) as bare, ThreadPoolExecutor(2) as pool:
            for number, code in enumerate(scripts):
                jailed, free = pool.map(lambda jail, code=code: jail.run(code), (locked, bare))
                if not _same(jailed, free):
                    different.append((number, jailed.status.value, jailed.error, jailed.denied, free.status.value))
    assert len(scripts) == 602
    # Network access is the one thing a script may lose; there is none on the test machine either.
    assert [one for one in different if one[4] == "ok"] == []


def _same(jailed: Outcome, free: Outcome) -> bool:
    if jailed.pixels is None or free.pixels is None:
        return jailed.status == free.status
    return jailed.pixels.tobytes() == free.pixels.tobytes()


def corpus_scripts(rows: list[dict[str, str | None]]) -> list[str]:
    """The references and 500 random rollouts that have code."""
    references = [row["code"] for row in rows if row["kind"] == "reference"]
    rollouts = [row["code"] for row in rows if row["kind"] == "rollout" and row["code"]]
    return [code for code in [*references, *random.Random(1).sample(rollouts, 500)] if code]
