"""The zygote's memory: what a child copies at once is what it would have copied page by page."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from worker.jail.zygote import environment

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, os, resource, sys
sys.path.append(sys.argv[1])
import heap
kept = heap.reserve(8)
data = [{"number": number, "text": str(number)} for number in range(60_000)]
del data[::3]
kept += heap.settle()
def work():
    for one in data:
        one["number"] += 1
    return sum(one["number"] for one in data)
def in_child(hot):
    reading, writing = os.pipe()
    if os.fork() == 0:
        hot.copy()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        known = sum(one["number"] for one in data), hash(tuple(one["text"] for one in data))
        total = work()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        os.write(writing, json.dumps([known, total, faults]).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reading, 1000))
hot = heap.HotPages.learn(work, work)
plain, copied = in_child(heap.HotPages([])), in_child(hot)
here = sum(one["number"] for one in data), hash(tuple(one["text"] for one in data))
aligned = all(place % heap.HUGE == 0 for place in hot.places)
print(json.dumps([len(hot.places), aligned, heap._worth() < float("inf"), plain, copied, here]))
"""


@pytest.mark.parametrize("runtime", ["mpl38", "current"])
def test_children_copy_hot_pages_whole_and_see_the_same(tmp_path: Path, runtime: str) -> None:
    python = ROOT / ".runtimes" / runtime / "bin" / "python"
    command = [python, "-P", "-s", "-c", SCRIPT, ROOT / "worker" / "sandboxed"]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=True)
    hot, aligned, possible, plain, copied, here = json.loads(done.stdout)
    assert aligned
    known, total, faults = copied
    assert known == plain[0] == here, "the parent's memory is as it was, and so is the child's after the copy"
    assert total == plain[1]
    if not possible:
        pytest.skip("this kernel cannot collapse huge pages (before 6.1, or switched off): nothing is copied whole")
    assert hot > 0
    assert faults < plain[2] / 2, "what was copied whole faults no more"
