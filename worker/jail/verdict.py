"""From facts to a status: what the kernel and the supervisor saw first, the job's own frame last."""

from __future__ import annotations

import errno
import os
import signal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chartreward.description import ChartDescription
from chartreward.models import ItemError, Status
from worker.jail.job import Facts
from worker.jail.outcome import Outcome
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


class _ErrorClaim(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: str = Field(max_length=200)
    message: str = Field(max_length=20_000)
    line: int | None = None
    traceback: str | None = Field(default=None, max_length=100_000)
    errno: int | None = None


class Reply(BaseModel):
    """The head of a result frame: a claim made in a process that ran foreign code."""

    model_config = ConfigDict(extra="forbid")

    status: Status
    error: _ErrorClaim | None = None
    width: int = Field(default=0, ge=0)
    height: int = Field(default=0, ge=0)
    exec_ms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    draw_ms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    description: ChartDescription | None = None
    denied: str | None = Field(default=None, max_length=1000)
    escaped: list[str] | None = None


def judge(facts: Facts, settings: JailSettings) -> tuple[Outcome, Reply | None]:
    """The outcome of a job, and its checked reply where there is one."""
    if facts.killed_for:
        return _failure(facts, *_killed(facts, settings)), None
    if facts.broken:
        return _failure(facts, Status.CRASHED, "BadResult", facts.broken), None
    if not facts.reader.complete:
        return _died(facts), None
    try:
        reply = Reply.model_validate_json(bytes(facts.reader.head))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return _failure(
            facts, Status.CRASHED, "BadResult", f"the result's head is not valid: {where}: {first['msg']}"
        ), None
    return _replied(facts, reply, settings)


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
    pixels = facts.reader.body
    if reply.status not in _CLAIMS[facts.kind] or (reply.escaped is None) == (facts.kind == "escapes"):
        return _failure(facts, Status.CRASHED, "BadResult", f"the result claims {reply.status.value}"), None
    # An exception may leave a partial figure, sent only when the job was asked for one.
    partial = reply.status is Status.RUNTIME_ERROR and facts.kind == "code" and len(pixels) > 0
    drawn = (reply.status is Status.OK and facts.kind != "escapes") or partial
    if drawn:
        wanted = reply.width * reply.height
        if not 0 < wanted <= settings.max_pixels or len(pixels) != 3 * wanted:
            message = f"the result claims {reply.width} x {reply.height} pixels in {len(pixels)} bytes"
            return _failure(facts, Status.CRASHED, "BadResult", message), None
        described = reply.description
        if described and (described.width, described.height) != (reply.width, reply.height):
            message = "the description is of another picture"
            return _failure(facts, Status.CRASHED, "BadResult", message), None
    ok = reply.status is Status.OK
    status, denied = reply.status, None
    if status is Status.RUNTIME_ERROR and reply.error:
        if reply.error.errno in _DISK_ERRORS:
            status = Status.OUTPUT_LIMIT
        elif reply.denied:
            status, denied = Status.FORBIDDEN, reply.denied
    outcome = Outcome(
        status=status,
        error=ItemError(**reply.error.model_dump(exclude={"errno"})) if reply.error and not ok else None,
        pixels=pixels.reshape(reply.height, reply.width, 3) if drawn else None,
        description=reply.description if drawn else None,
        exec_ms=reply.exec_ms,
        draw_ms=reply.draw_ms,
        peak_mb=facts.ended.peak_mb,
        denied=denied,
        output_bytes=facts.output_bytes,
    )
    return outcome, reply


def _failure(facts: Facts, status: Status, kind: str, message: str, denied: str | None = None) -> Outcome:
    return Outcome(
        status=status,
        error=ItemError(type=kind, message=message),
        peak_mb=facts.ended.peak_mb,
        denied=denied,
        output_bytes=facts.output_bytes,
    )
