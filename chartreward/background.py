"""One event loop a process, in a daemon thread, on which all clients do their work.

Why: a trainer may call from plain code, from inside a running loop, from a new loop every step (`asyncio.run` in
ms-swift), from several threads, and from a forked worker. Connections belong to the loop that opened them, so they live
on this one, which no caller's loop outlives or closes. A forked child gets its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """A running event loop in a daemon thread of this process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="chartreward-client", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop and wait for its result; an interrupt (Ctrl-C) cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def run_async(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """`run` for callers that have a loop of their own; cancelling the caller cancels the work."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def stop(self) -> None:
        """Stop the loop and join its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=1.0)


_lock = threading.Lock()
_current: BackgroundLoop | None = None
# A child must not collect its parent's loop: that would unregister the parent's sockets from the epoll they share.
_inherited: list[object] = []


def background_loop() -> BackgroundLoop:
    """The loop of this process, started at first use."""
    global _current  # noqa: PLW0603  one per process is the point
    with _lock:
        if _current is None:
            _current = BackgroundLoop()
        return _current


def keep_inherited(thing: object) -> None:
    """Keep an object of the parent process alive, unused, for as long as this process lives."""
    _inherited.append(thing)


def _after_fork_in_child() -> None:
    global _current, _lock  # noqa: PLW0603
    _lock = threading.Lock()  # the parent may have held the old one
    if _current is not None:
        keep_inherited(_current)
        _current = None


def _at_exit() -> None:
    if _current is not None and _current.pid == os.getpid():
        _current.stop()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
