"""The yardsticks: the same scripts in warm plain interpreters (B0) and in cold ones (B1, B2). No jail, no score."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / ".runtimes" / "mpl38" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Script:
    """Code to run, and the reference to score it against."""

    reference: str
    code: str

    def fresh(self, mark: str) -> Script:
        """The same work under another name, so that no cache answers it."""
        return Script(self.reference, f"{self.code}\n# {mark}")


@dataclass(slots=True)
class Measured:
    """How long `count` scripts took: seconds on the clock, seconds of CPU (user and system, all processes)."""

    count: int
    wall_s: float
    cpu_s: float
    each_ms: list[float] = field(default_factory=list)  # of each script, in their order, where that is known

    def figures(self) -> dict[str, Any]:
        """As JSON, with the rates."""
        return {**asdict(self), "per_s": self.count / self.wall_s, "per_cpu_s": self.count / self.cpu_s}


def environment(home: str) -> dict[str, str]:
    """Environment of the unjailed scripts: one BLAS thread, as in the jail."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {"MPLBACKEND": "Agg", "HOME": home, "PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C.UTF-8", **threads}


class WarmInterpreter:
    """One plain interpreter of the runtime with everything imported (warm_exec.py)."""

    def __init__(self, home: str) -> None:
        self.process = subprocess.Popen(
            [RUNTIME, "-I", Path(__file__).with_name("warm_exec.py")],
            cwd=tempfile.mkdtemp(dir=home),
            env=environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.run("pass")

    def run(self, code: str) -> float:
        """Run one script; its milliseconds. Raises RuntimeError when it does not answer in a minute."""
        process = self.process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({"code": code}) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], 60)[0]:
            raise RuntimeError("a warm interpreter did not answer within 60 s")
        return float(json.loads(process.stdout.readline())["ms"])

    def cpu_s(self) -> float:
        """User and system seconds so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


def warm(scripts: Sequence[Script], width: int) -> Measured:
    """B0: `width` warm interpreters, one a core; their start is not counted."""
    each = [0.0] * len(scripts)
    with tempfile.TemporaryDirectory() as home:
        lanes = [WarmInterpreter(home) for _ in range(width)]
        before = sum(lane.cpu_s() for lane in lanes)

        def work(lane: int, queue: Queue[int]) -> None:
            for number in _drain(queue):
                each[number] = lanes[lane].run(scripts[number].code)

        wall = _side_by_side(len(scripts), width, work)
        cpu = sum(lane.cpu_s() for lane in lanes) - before
        for lane in lanes:
            lane.close()
    return Measured(len(scripts), wall, cpu, each)


def cold(scripts: Sequence[Script], executions: int, width: int = 2) -> Measured:
    """B1 (`executions` = 1: what most reward functions do) and B2 (8, as ChartMimic's evaluators): a fresh
    `python script.py` each time, `width` at a time."""
    with tempfile.TemporaryDirectory() as home:

        def work(_: int, queue: Queue[int]) -> None:
            folder = Path(tempfile.mkdtemp(dir=home))
            script = folder / "script.py"
            for number in _drain(queue):
                script.write_text(scripts[number].code, encoding="utf-8")
                for _ in range(executions):
                    subprocess.run(
                        [RUNTIME, script],
                        cwd=folder,
                        env=environment(home),
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        timeout=120,
                        check=False,
                    )

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = _side_by_side(len(scripts), width, work)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(len(scripts), wall, cpu)


def _side_by_side(count: int, width: int, work: Callable[[int, Queue[int]], None]) -> float:
    """Feed the numbers 0..count-1 to `width` lanes; seconds until all are done."""
    queue: Queue[int] = Queue()
    for number in range(count):
        queue.put(number)
    start = time.perf_counter()
    with ThreadPoolExecutor(width) as pool:
        for done in [pool.submit(work, lane, queue) for lane in range(width)]:
            done.result()
    return time.perf_counter() - start


def _drain(queue: Queue[int]) -> Iterator[int]:
    """Take from `queue` until it is empty."""
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
