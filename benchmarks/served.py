"""Ours: a stack of its own, empty caches, references known; throughput, latency, start-up, fairness."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx
import psutil

from benchmarks import corpus
from benchmarks.plain import ROOT, Measured, Script, WarmInterpreter
from chartreward.embedded import free_port

BATCH = 256
STAGES = ("queue_ms", "exec_ms", "draw_ms", "score_ms")
LARGE = 2_560
START_BATCH = 1_024
TRIES = 3  # of each script alone: another machine's hiccup is not the script's


def role(process: psutil.Process) -> str:
    """`api`, `pool`, `worker`, `zygote`, `redis-server`, or the program's name."""
    line = process.cmdline()
    if "service" in line:
        return "api"
    if "worker" in line:
        return "worker" if "--one" in line else "pool"
    if any(part.endswith("zygote.py") for part in line):
        return "zygote"
    return str(process.name())


class Service:
    """`chartreward serve` with `workers` workers, stopped on exit. `ready_s`: from its start to `/readyz`."""

    def __init__(self, workers: int) -> None:
        port = free_port()
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [ROOT / ".venv/bin/chartreward", "serve", "--port", str(port), "--workers", str(workers)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=900)
        self.golden = corpus.references()
        while not self._ready():
            if self.process.poll() is not None or time.perf_counter() - started > 180:
                raise RuntimeError("the stack did not become ready: run `chartreward serve` to see why")
            time.sleep(0.02)
        self.ready_s = time.perf_counter() - started

    def _ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(120)

    def cpu(self) -> Counter[str]:
        """User and system seconds so far by role; `jobs` are the zygotes' children, ended ones included."""
        top = psutil.Process(self.process.pid)
        spent: Counter[str] = Counter()
        for one in (top, *top.children(recursive=True)):
            try:
                name, times = role(one), one.cpu_times()
            except psutil.NoSuchProcess:
                continue  # its parent counts it from now on
            spent[name] += times.user + times.system  # type: ignore[assignment]  # a Counter of floats
            ended = times.children_user + times.children_system
            spent["jobs" if name.startswith("zygote") else name] += ended
        return spent

    def body(self, scripts: Sequence[Script], profile: str) -> dict[str, Any]:
        """The request for one batch."""
        return {
            "items": [{"code": one.code, "reference": one.reference} for one in scripts],
            "references": {name: {"code": self.golden[name]} for name in {one.reference for one in scripts}},
            "profile": profile,
            "runtime": "mpl38",
            "deadline_s": 900,
        }

    def post(self, scripts: Sequence[Script], profile: str) -> list[dict[str, Any]]:
        """Score one batch and wait for it; the results."""
        answer = self.http.post("/v1/rewards?wait=900", json=self.body(scripts, profile))
        answer.raise_for_status()
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def know(self, scripts: Sequence[Script], profile: str) -> None:
        """Have every reference rendered, its features cached and all libraries loaded, as after a run's first step."""
        names = sorted({one.reference for one in scripts})
        codes = [(name, "pass") for name in names] + [(name, "import pandas") for name in names[::4]]
        for _ in range(3):  # several workers: each should meet each reference
            self.post([Script(name, code).fresh(uuid4().hex) for name, code in codes], profile)


def throughput(scripts: Sequence[Script], profile: str, workers: int) -> dict[str, Any]:
    """Batches of 256 one after the other: rates, statuses, and the stages that every result reports."""
    with Service(workers) as service:
        service.know(scripts, profile)
        before, start = service.cpu(), time.perf_counter()
        results = [
            result
            for first in range(0, len(scripts), BATCH)
            for result in service.post(scripts[first : first + BATCH], profile)
        ]
        wall, spent = time.perf_counter() - start, service.cpu()
    spent.subtract(before)
    measured = Measured(len(scripts), wall, sum(spent.values()))
    stages = {}
    for stage in STAGES:
        values = [result["timing"][stage] for result in results]
        stages[stage] = {"p50": percentile(values, 50), "p99": percentile(values, 99)}
    return {
        **measured.figures(),
        "statuses": dict(Counter(result["status"] for result in results)),
        "stages": stages,
        "cpu_ms_by_role": {name: 1e3 * seconds / len(scripts) for name, seconds in spent.items()},
    }


def latency(scripts: Sequence[Script], profile: str) -> dict[str, Any]:
    """One reward at a time, against the same script in one warm plain interpreter, in turn: medians of TRIES each."""
    ratios, ours, plain = [], [], []
    with Service(1) as service, tempfile.TemporaryDirectory() as home:
        service.know(scripts, profile)
        interpreter = WarmInterpreter(home)
        service.post([scripts[0].fresh(uuid4().hex)], profile)
        for one in scripts:
            interpreter.run(one.code)  # both sides may load what this script alone needs
            theirs, mine = [], []
            for _ in range(TRIES):
                theirs.append(interpreter.run(one.code))
                fresh = one.fresh(uuid4().hex)
                start = time.perf_counter()
                service.post([fresh], profile)
                mine.append((time.perf_counter() - start) * 1e3)
            plain.append(statistics.median(theirs))
            ours.append(statistics.median(mine))
            ratios.append(ours[-1] / plain[-1])
        interpreter.close()
    return {
        "count": len(scripts),
        **{f"{name}_p{p}": percentile(v, p) for name, v in (("ratio", ratios), ("ms", ours)) for p in (50, 90, 99)},
        "warm_ms_p50": percentile(plain, 50),
    }


def start_up(scripts: Sequence[Script], workers: int) -> dict[str, Any]:
    """Seconds from `chartreward serve` to ready; then to the first reward of 1,024, nothing cached or known."""
    with Service(workers) as service:
        start = time.perf_counter()
        headers = {"Accept": "application/x-ndjson"}
        request = service.body(_many(scripts, START_BATCH), "chartsimrl")
        with service.http.stream("POST", "/v1/rewards", json=request, headers=headers) as answer:
            answer.raise_for_status()
            next(answer.iter_lines())
            first = time.perf_counter() - start
            service.http.delete(answer.headers["Location"]).raise_for_status()
        return {"ready_s": service.ready_s, "first_of_1024_s": first}


def fairness(scripts: Sequence[Script], workers: int) -> dict[str, Any]:
    """A batch of 8 alone, then behind one of 2,560 that is under way: its seconds, and what the large one had done."""
    eight = scripts[:8]
    with Service(workers) as service:
        service.know(scripts, "chartsimrl")
        start = time.perf_counter()
        service.post([one.fresh(uuid4().hex) for one in eight], "chartsimrl")
        alone = time.perf_counter() - start
        large = service.http.post("/v1/rewards", json=service.body(_many(scripts, LARGE), "chartsimrl"))
        large.raise_for_status()
        start = time.perf_counter()
        service.post([one.fresh(uuid4().hex) for one in eight], "chartsimrl")
        behind = time.perf_counter() - start
        counts = service.http.delete(large.headers["Location"]).json()["counts"]
    return {"alone_s": alone, "behind_2560_s": behind, "done_of_2560": counts.get("ok", 0)}


def _many(scripts: Sequence[Script], count: int) -> list[Script]:
    """`count` scripts, each unlike any other."""
    return [scripts[number % len(scripts)].fresh(uuid4().hex) for number in range(count)]


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
