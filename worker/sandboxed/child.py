"""One job, in the process forked for it: lock down, read the job, run it, send one result, end."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import capture
import denials
import escapes
import frames
import pictures
from lockdown import RESULT_FD, Lockdown

LOCKED = b"L"  # sent once everything is in force; the supervisor sends the job, and starts its clock, only then


def run(lockdown: Lockdown, request: dict[str, Any], fds: tuple[int, int, int]) -> NoReturn:
    """Serve one job and end the process. `fds`: job socket, output pipe, work directory. Never returns or raises."""
    end = os._exit
    code = 70
    try:
        work = _arrange(*fds)
        lockdown.apply(work, request["limits"])
        os.write(RESULT_FD, LOCKED)
        head, body = frames.read_job(RESULT_FD)
        _serve(head, body)
        code = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace")[:4000])
    finally:
        end(code)


def _arrange(job: int, output: int, work: int) -> int:
    """Descriptors of the job: 0 /dev/null, 1 and 2 the output pipe, 3 the job socket. Returns `work`'s.

    Each is a description of this job's own: flags set on one that jobs share would be there for the next.
    """
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    work = os.dup(work)  # out of the way of 3
    while work <= RESULT_FD:
        work = os.dup(work)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(job, RESULT_FD)
    return work


def _serve(head: dict[str, Any], body: bytes) -> None:
    send = frames.result_writer(RESULT_FD, bytes.fromhex(head.pop("token")))
    kind, options = head["kind"], head["options"]
    if kind == "code":
        here = str(Path.cwd())
        os.environ.update(HOME=here, TMPDIR=here)
        tempfile.tempdir = None
        denied = denials.watch()
        sys.argv = ["chart.py"]
        reply, pixels = capture.execute(body.decode("utf-8"), options)
        reply["denied"] = denied(reply.get("error"))
        send(reply, pixels if pixels is not None else b"")
    elif kind == "picture":
        reply, raw = pictures.decode(body, options)
        send(reply, raw)
    else:
        send({"status": "ok", "escaped": escapes.attempt(options)}, b"")
