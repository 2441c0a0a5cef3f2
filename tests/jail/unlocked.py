"""Runs the self-test's attempts in children that lack layers of the lock-down. Started by test_escapes.py.

Usage: python unlocked.py ASKED, a JSON object: `sandboxed` (folder of the jailed modules), `uid` to become (null: stay
who one is), `facts` (the traps), `limits`, `work` (a folder that may be written), `without` (lists of layers; "user"
among them). Prints the Landlock ABI and for each of `without` what worked, each attempt made in a child of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

asked: dict[str, Any] = json.loads(sys.argv[1])
sys.path.insert(0, asked["sandboxed"])

import escapes  # noqa: E402
import escapes_kernel  # noqa: E402
import kernel  # noqa: E402
import privileges  # noqa: E402
from lockdown import Lockdown, runtime_folders  # noqa: E402

PR_SET_PTRACER, ANYBODY = 0x59616D61, 2**64 - 1


def locked(whole: Lockdown, without: set[str]) -> Lockdown:
    """The lock-down less the named layers."""
    if "landlock" in without:
        whole = dataclasses.replace(whole, abi=0)
    if "seccomp" in without:
        whole = dataclasses.replace(whole, seccomp=None)
    if "limits" in without:
        object.__setattr__(whole, "limit", lambda caps: None)
    if "descriptors" in without:
        object.__setattr__(whole, "close_descriptors", lambda: None)
    return whole


def tried(name: str, whole: Lockdown, without: set[str]) -> bool:
    """Whether an attempt works in a child without these layers."""
    answer, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            os.dup2(theirs, 3)  # where a job has its result
            work = os.dup(os.open(asked["work"], os.O_RDONLY | os.O_DIRECTORY))
            locked(whole, without).apply(work, asked["limits"])
            code = int(escapes.attempt(asked["facts"], {name: escapes_kernel.ALL[name]}) == [name])
        except BaseException as error:
            os.write(2, f"{name}: {error!r}\n".encode())
        finally:
            os._exit(code)
    os.close(answer)
    os.close(theirs)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status not in (0, 1):
        raise RuntimeError(f"{name} without {sorted(without)}: the child ended with {status}")
    return bool(status)


def reset() -> None:
    """The traps as they were: an attempt that worked may have sprung one."""
    for name in ("secret", "spare", "doomed"):
        path = Path(asked["facts"][name])
        path.with_name(f"{name}.moved").unlink(missing_ok=True)
        path.write_bytes(b"secret")
    secret = asked["facts"]["secret"]
    Path(f"{secret}.new").unlink(missing_ok=True)
    if Path(f"{secret}.folder").exists():
        Path(f"{secret}.folder").rmdir()
    for entry in Path(asked["work"]).iterdir():
        entry.unlink()


def main() -> None:
    """Answer."""
    os.open("/dev/null", os.O_RDONLY)  # a descriptor to be inherited
    if not any("user" in layers for layers in asked["without"]):
        privileges.drop(os.getuid() if asked["uid"] is None else asked["uid"], runtime_folders())
    with contextlib.suppress(OSError):  # Yama lets only ancestors trace: allow it, the lock-down has to refuse
        kernel.prctl(PR_SET_PTRACER, ANYBODY)
    whole = Lockdown.prepare(Path(asked["work"]))
    found = []
    for without in asked["without"]:
        worked = []
        for name in escapes_kernel.ALL:
            if tried(name, whole, set(without)):
                worked.append(name)
            reset()
        found.append(worked)
    sys.stdout.write(json.dumps({"abi": whole.abi, "worked": found}))


main()
