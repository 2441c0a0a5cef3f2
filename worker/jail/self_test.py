"""The traps of the self-test: what an escaped job would find. worker/sandboxed/escapes.py springs them."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.jail.settings import JailSettings


@contextlib.contextmanager
def traps(settings: JailSettings, uid: int | None) -> Iterator[dict[str, Any]]:
    """Files and sockets anyone on this machine may use, and a process of the job's user to signal; gone afterwards.

    `uid` is the user that jobs run as, None for the worker's own: the traps are his, so that only the jail, not file
    modes or users, can be what protects them.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chartreward-self-test-")))
        folder.chmod(0o777)
        names = ("secret", "spare", "doomed")
        for name in names:
            path = folder / name
            path.write_bytes(b"secret")
            path.chmod(0o666)
            if uid is not None:
                os.chown(path, uid, uid)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = f"chartreward-{secrets.token_hex(8)}"
        for address in ("\0" + abstract, str(folder / "socket")):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            unix.bind(address)
            unix.listen()
        (folder / "socket").chmod(0o777)
        sibling = _sleeper(uid)
        stack.callback(sibling.wait)
        stack.callback(sibling.kill)
        yield {
            **{name: str(folder / name) for name in names},
            "socket": str(folder / "socket"),
            "port": tcp.getsockname()[1],
            "abstract": abstract,
            "sibling": sibling.pid,
            "memory_bytes": settings.memory_mb * 1_048_576,
            "file_bytes": settings.work_bytes,
            "open_files": settings.open_files,
        }


def _sleeper(uid: int | None) -> subprocess.Popen[bytes]:
    command = ["/bin/sleep", "60"]
    with contextlib.suppress(PermissionError):  # a container may not let root become another user
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, user=uid, group=uid, extra_groups=None if uid is None else []
        )
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)
