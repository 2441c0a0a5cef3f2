"""The warm process jobs are forked from. Started by worker/jail/zygote.py in the runtime's own interpreter.

It holds the chart libraries, no secrets, and never runs foreign code itself: it forks on request, hands the
supervisor a pidfd it opened itself, and reports how the child ended. Control messages are JSON on a SOCK_SEQPACKET
pair; the answer to a request is two messages, {"started"} with the pidfd and {"ended"} with wait status and usage.
"""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import json
import os
import resource
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path.append(str(FOLDER))

import heap  # noqa: E402  # after its folder is on the path
import kernel  # noqa: E402  # after its folder is on the path
import leftovers  # noqa: E402  # after its folder is on the path
import privileges  # noqa: E402  # after its folder is on the path
from lockdown import Lockdown, runtime_folders  # noqa: E402  # after its folder is on the path

LEARN_AFTER = 3  # jobs: the self-test and the two charts of a canary, which a start waits for
_LIBRARIES = ("matplotlib", "numpy", "pandas", "seaborn", "networkx", "scipy", "pillow")


def main() -> None:
    """Warm up, report, then serve one fork request after the other until the supervisor closes the control socket."""
    settings = json.loads(sys.argv[2])
    arenas = heap.reserve(heap.ARENAS[settings["libraries"]])
    control = socket.socket(fileno=int(sys.argv[1]))
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)  # a job's orphans come to us, not to init
    kept = privileges.drop(settings["uid"], runtime_folders())
    import capture
    import child
    import pictures
    from warmup import TYPICAL

    capture.warm(settings["libraries"])
    pictures.warm()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    lockdown = Lockdown.prepare(Path(settings["config"]))
    arenas += heap.settle()
    hot = heap.HotPages([])
    control.send(json.dumps({"warm": _facts(kept, lockdown)}).encode())
    for number in itertools.count(1):
        message, fds, _, _ = socket.recv_fds(control, 65_536, 3)
        if not message:
            return
        if len(fds) != 3:
            raise RuntimeError(f"a fork request carries 3 descriptors, not {len(fds)}")
        _one_job(control, lockdown, json.loads(message), (fds[0], fds[1], fds[2]), hot=hot, run=child.run)
        if number == LEARN_AFTER:
            hot = heap.HotPages.learn(*(functools.partial(capture.execute, code, {}) for code in TYPICAL))


def _facts(kept: str, lockdown: Lockdown) -> dict[str, Any]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": sys.version.split()[0],
        "versions": versions,
        "privileges": kept,
        "landlock": lockdown.abi,
        "seccomp": lockdown.seccomp is not None,
        "uid": os.geteuid(),
    }


def _one_job(
    control: socket.socket,
    lockdown: Lockdown,
    request: dict[str, Any],
    fds: tuple[int, int, int],
    *,
    hot: heap.HotPages,
    run: Any,
) -> None:
    tasks = Path("/proc/self/task").stat().st_nlink - 2
    if tasks != 1:  # a lock held by another thread would stay locked in the child
        raise RuntimeError(f"the zygote has {tasks} tasks before a fork, not 1")
    pid = os.fork()
    if pid == 0:
        hot.copy()
        control.detach()
        run(lockdown, request, fds)
    pidfd = os.pidfd_open(pid)
    for fd in fds:
        os.close(fd)
    socket.send_fds(control, [json.dumps({"started": pid}).encode()], [pidfd])
    # Wake for the end of the child, or of the supervisor: nothing may outlive either.
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(control, select.POLLHUP)
    ready = dict(poll.poll())
    if pidfd not in ready:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    os.close(pidfd)
    ended = {
        "status": status,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_kb": usage.ru_maxrss,
        "strays": leftovers.end_processes(),
        "segments": leftovers.remove_segments(pid),
        "zygote_kb": int(Path("/proc/self/statm").read_bytes().split()[1]) * resource.getpagesize() // 1024,
    }
    if pidfd in ready:
        control.send(json.dumps({"ended": ended}).encode())


if __name__ == "__main__":
    main()
