"""The traps of the self-test: what an escaped job would find. worker/sandboxed/escapes.py springs them."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def traps(memory_mb: int) -> Iterator[dict[str, Any]]:
    """A secret anyone on this machine may read and write, open ports, and a process to signal; gone afterwards."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chartreward-self-test-")))
        folder.chmod(0o777)  # so that only the jail, not file modes, can be what protects it
        secret = folder / "secret"
        secret.write_bytes(b"secret")
        secret.chmod(0o666)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = f"chartreward-{secrets.token_hex(8)}"
        unix = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        unix.bind("\0" + abstract)
        unix.listen()
        sibling = subprocess.Popen(["/bin/sleep", "60"], stdin=subprocess.DEVNULL)
        stack.callback(sibling.wait)
        stack.callback(sibling.kill)
        yield {
            "secret": str(secret),
            "port": tcp.getsockname()[1],
            "abstract": abstract,
            "sibling": sibling.pid,
            "memory_bytes": memory_mb * 1_048_576,
        }
