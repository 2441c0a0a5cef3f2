"""A process forked and locked for one job that need not be known yet: its limits, work directory, socket and output."""

from __future__ import annotations

import contextlib
import os
import socket

from worker.jail.zygote import Child, Ended, Zygote

_BUFFER = 4 * 1_048_576


class Cell:
    """Forks and locks at once, without waiting for the lock: the child says when it is locked, before anything else.

    `limits` are the rlimits as worker/sandboxed/limits.py takes them; `work` is the work directory's descriptor, closed
    with the cell. Raises ZygoteLostError.
    """

    def __init__(self, zygote: Zygote, limits: dict[str, int], work: int) -> None:
        self._zygote = zygote
        self.limits = limits
        self.work = work
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, work)
            self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.callback(self.socket.close)
            for end in (self.socket, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self.output, write_end = os.pipe()
            stack.callback(os.close, self.output)
            os.set_blocking(self.output, False)
            try:
                self.child: Child = zygote.fork(limits, [theirs.fileno(), write_end, work])
            finally:
                theirs.close()
                os.close(write_end)
            stack.callback(self.child.close)
            self._stack = stack.pop_all()

    def fits(self, limits: dict[str, int]) -> bool:
        """Whether a job under these limits may have it: they are in force already, and it is alive."""
        return limits == self.limits and not self.child.ends_within(0)

    def ended(self) -> Ended:
        """Once it was killed: wait until every thread of it is dead; how it ended. Raises ZygoteLostError."""
        self.child.wait()
        return self._zygote.ended()

    def close(self) -> None:
        """Let go of every descriptor. May be called twice."""
        self._stack.close()
