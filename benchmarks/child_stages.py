"""What a jailed child does, stage by stage, without the jail. Started by stages.py in the runtime's interpreter.

Told which libraries are loaded beforehand, as a zygote is. Reads one JSON line {"code", "options", "flame"} a script,
answers one JSON line {"stages": {name: [wall ms, CPU ms]}, "stacks": {...}, "digest"}. Each script runs in a fork of
the warm process, as in the jail, so that what a fork costs (copied pages) is in its numbers.
"""

import functools
import hashlib
import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "worker" / "sandboxed"), str(HERE)]

import heap  # noqa: E402  # after its folder is on the path

arenas = heap.reserve(heap.ARENAS[sys.argv[1]])  # before anything large is imported, as in the zygote

import capture  # noqa: E402  # after its folder is on the path
import drawing  # noqa: E402  # after its folder is on the path
from sampling import Sampler, Stages  # noqa: E402  # after its folder is on the path
from warmup import TYPICAL  # noqa: E402  # after its folder is on the path


def serve(request):
    """The answer to one request, in the process that was forked for it."""
    stages = Stages()
    for owner, name, stage in (
        (drawing, "agg_draw", "draw"),
        (drawing, "print_figure", "draw again (tight)"),
        (drawing, "get_tightbbox", "tight box"),
        (drawing.describe, "read", "describe"),
        (drawing.text_lines, "read", "text lines"),
        (drawing, "flatten", "flatten"),
    ):
        stages.wrap(owner, name, stage)
    stages.wrap(capture, "execute", "execute")
    stages.wrap(sys.modules[__name__], "encode", "encode")
    if request.get("flame"):
        with Sampler("child") as sampler:
            raw, pixels = encode(*capture.execute(request["code"], request["options"]))
        stacks = dict(sampler.stacks)
    else:
        raw, pixels = encode(*capture.execute(request["code"], request["options"]))
        stacks = {}
    head = json.loads(raw)
    for clock in ("exec_ms", "draw_ms"):
        head.pop(clock)
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode() + pixels).hexdigest()
    return {"stages": stages.take(), "stacks": stacks, "digest": digest, "status": head["status"]}


def encode(reply, pixels):
    """The reply as the jail sends it."""
    return json.JSONEncoder(allow_nan=False).encode(reply).encode("ascii"), pixels or b""


def main():
    """Serve scripts from stdin until it closes."""
    capture.warm(sys.argv[1])
    arenas.extend(heap.settle())
    hot = heap.HotPages.learn(*(functools.partial(capture.execute, code, {}) for code in TYPICAL))
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    for line in sys.stdin.buffer:
        reading, writing = os.pipe()
        started = time.process_time()
        child = os.fork()
        if child == 0:
            hot.copy()
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(json.dumps(serve(json.loads(line))).encode() + b"\n")
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        _, status, usage = os.wait4(child, 0)
        spent = time.process_time() - started
        if not answer:
            answer = (
                json.dumps({"stages": {}, "stacks": {}, "digest": "", "status": f"died: {status}"}).encode() + b"\n"
            )
        told = json.loads(answer)
        told["cpu_ms"] = (usage.ru_utime + usage.ru_stime) * 1e3
        told["fork_cpu_ms"] = spent * 1e3
        answers.write(json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main()
