"""From facts to a status: what the kernel and the supervisor saw first, the job's own frame last."""

from __future__ import annotations

import errno
import os
import signal

from chartreward.models import ItemError, Status
from worker.jail.job import Facts
from worker.jail.outcome import Outcome
from worker.jail.reply import Reply, ReplyError, read
from worker.jail.settings import JailSettings

# What a job's frame may say, by kind of job; every other status is the supervisor's to give.
_CLAIMS = {
    "code": frozenset(
        {
            Status.OK,
            Status.SYNTAX_ERROR,
            Status.RUNTIME_ERROR,
            Status.NO_FIGURE,
            Status.FIGURE_TOO_LARGE,
            Status.MEMORY_LIMIT,
        }
    ),
    "picture": frozenset({Status.OK, Status.BAD_REFERENCE}),
    "escapes": frozenset({Status.OK}),
}
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
_FATAL = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}


def judge(facts: Facts, settings: JailSettings) -> tuple[Outcome, Reply | None]:
    """The outcome of a job, and its checked reply where there is one."""
    left = left_behind(facts)
    if left:
        return _failure(
            facts, Status.FORBIDDEN, "LeftBehind", f"the code left {left} behind", f"leave {left} behind"
        ), None
    if facts.killed_for:
        return _failure(facts, *_killed(facts, settings)), None
    if facts.broken:
        return _failure(facts, Status.CRASHED, "BadResult", facts.broken), None
    if not facts.reader.complete:
        return _died(facts), None
    try:
        reply = read(facts.reader.head)
    except ReplyError as error:
        return _failure(facts, Status.CRASHED, "BadResult", str(error)), None
    return _replied(facts, reply, settings)


def left_behind(facts: Facts) -> str:
    """In words what outlived the job until it was cleared away; "" for nothing, which is all the filter lets happen.

    The self-test leaves things on purpose, and reports by itself what it could do.
    """
    found = (("a process", facts.ended.strays), ("shared memory", facts.ended.segments))
    return "" if facts.kind == "escapes" else " and ".join(what for what, count in found if count)


def _killed(facts: Facts, settings: JailSettings) -> tuple[Status, str, str, str | None]:
    if facts.killed_for == "timeout":
        return Status.TIMEOUT, "Timeout", "the code ran into its time limit", None
    if facts.killed_for == "output":
        message = f"more than {settings.output_bytes} bytes were printed"
        return Status.OUTPUT_LIMIT, "OutputLimit", message, None
    if facts.killed_for == "disk":
        message = f"more than {settings.work_bytes} bytes or {settings.work_inodes} files were written"
        return Status.OUTPUT_LIMIT, "DiskLimit", message, None
    message = f"more than {settings.threads} threads were started"
    return Status.FORBIDDEN, "ThreadLimit", message, "start more threads"


def _died(facts: Facts) -> Outcome:
    """It ended without a result: say why from its wait status and usage."""
    status = facts.ended.status
    if facts.reader.started:
        return _failure(facts, Status.CRASHED, "BadResult", "the result breaks off in the middle")
    if os.WIFEXITED(status):
        message = f"the process ended with exit code {os.WEXITSTATUS(status)} and no result"
        return _failure(facts, Status.CRASHED, "Exited", message)
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGXCPU or (number == signal.SIGKILL and facts.ended.cpu_s >= facts.cpu_limit_s - 0.5):
        return _failure(facts, Status.TIMEOUT, "Timeout", f"the code used up its {facts.cpu_limit_s} s of CPU time")
    if number == signal.SIGSYS:
        message = "a system call of a foreign architecture was made"
        return _failure(facts, Status.FORBIDDEN, name, message, "foreign system call")
    if number == signal.SIGXFSZ:
        return _failure(facts, Status.OUTPUT_LIMIT, "DiskLimit", "a file grew beyond its limit")
    if number == signal.SIGKILL:  # not ours, and not for CPU time: the machine or its cgroup ran out of memory
        return _failure(facts, Status.MEMORY_LIMIT, "MemoryLimit", "the kernel ended the process for want of memory")
    if number in _FATAL and facts.ended.peak_mb >= 0.9 * facts.memory_mb:
        return _failure(facts, Status.MEMORY_LIMIT, "MemoryLimit", f"{name} after the memory limit was reached")
    return _failure(facts, Status.CRASHED, name, f"the process died of {name}")


def _replied(facts: Facts, reply: Reply, settings: JailSettings) -> tuple[Outcome, Reply | None]:
    wrong = _contradiction(facts, reply, settings)
    if wrong is not None:
        return _failure(facts, Status.CRASHED, "BadResult", wrong), None
    pixels = facts.reader.body
    drawn = len(pixels) > 0
    status, denied = reply.status, None
    if status is Status.RUNTIME_ERROR and reply.error:
        if reply.error.errno in _DISK_ERRORS:
            status = Status.OUTPUT_LIMIT
        elif reply.error.errno == errno.EMFILE:
            status, denied = Status.FORBIDDEN, "open more files"
        elif reply.denied:
            status, denied = Status.FORBIDDEN, reply.denied
    error = ItemError(**reply.error.model_dump(exclude={"errno"})) if reply.error else None
    if error is not None and status is Status.MEMORY_LIMIT:
        error.message = error.message or f"the code needs more than its {facts.memory_mb} MB"
    outcome = Outcome(
        status=status,
        error=error,
        pixels=pixels.reshape(reply.height, reply.width, 3) if drawn else None,
        description=reply.description if drawn else None,
        exec_ms=min(reply.exec_ms, facts.wall_ms),
        draw_ms=min(reply.draw_ms, facts.wall_ms),
        peak_mb=facts.ended.peak_mb,
        denied=denied,
        output_bytes=facts.output_bytes,
        claim_bytes=len(facts.reader.head),
    )
    return outcome, reply


def _contradiction(facts: Facts, reply: Reply, settings: JailSettings) -> str | None:
    """What in a valid head does not fit the job, its picture, or itself; None when all does."""
    ok, size = reply.status is Status.OK, len(facts.reader.body)
    if reply.status not in _CLAIMS[facts.kind] or (reply.escaped is None) == (facts.kind == "escapes"):
        return f"the result claims {reply.status.value}"
    if ok == (reply.error is not None) or (reply.denied is not None and reply.error is None):
        return "the result's error does not fit its status"
    # An exception may leave a partial figure, sent only when the job was asked for one.
    partial = reply.status is Status.RUNTIME_ERROR and facts.partial
    if size == 0 and not (ok and facts.kind != "escapes"):
        empty = reply.description is None and reply.width == reply.height == 0
        return None if empty else "the result describes a picture that it does not bring"
    if not (partial or (ok and facts.kind != "escapes")):
        return f"the result brings a picture although it claims {reply.status.value}"
    wanted = reply.width * reply.height
    if not 0 < wanted <= settings.max_pixels or size != 3 * wanted:
        return f"the result claims {reply.width} x {reply.height} pixels in {size} bytes"
    described = reply.description
    if (described is None) == (facts.kind == "code"):
        return "a drawn figure comes with its description, a decoded picture with none"
    if described is not None and (described.width, described.height) != (reply.width, reply.height):
        return "the description is of another picture"
    if described is not None and described.dpi != settings.dpi:
        return f"the description is of a picture of {described.dpi:g} dots an inch, not {settings.dpi:g}"
    return None


def _failure(facts: Facts, status: Status, kind: str, message: str, denied: str | None = None) -> Outcome:
    return Outcome(
        status=status,
        error=ItemError(type=kind, message=message),
        peak_mb=facts.ended.peak_mb,
        denied=denied,
        output_bytes=facts.output_bytes,
    )
