"""The two messages between supervisor and job: one job in, one result out. worker/jail/frames.py is the other end.

Job: lengths of head and body (two big-endian uint32), head (JSON), body (bytes).
Result: MAGIC, the job's token, lengths of head and body, head (JSON), body (RGB bytes).
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from typing import Any

MAGIC = b"CRR1"
TOKEN_BYTES = 16
LENGTHS = struct.Struct(">II")


def _read_exactly(fd: int, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(fd, min(size - len(parts), 1 << 20))
        if not part:
            raise EOFError("the supervisor went away")
        parts += part
    return bytes(parts)


def read_job(fd: int) -> tuple[dict[str, Any], bytes]:
    """Head and body of the one job on `fd`. Raises EOFError when the supervisor went away."""
    head, body = LENGTHS.unpack(_read_exactly(fd, LENGTHS.size))
    return json.loads(_read_exactly(fd, head)), _read_exactly(fd, body)


def result_writer(fd: int, token: bytes) -> Callable[[dict[str, Any], bytes | memoryview], None]:
    """A function that writes the result frame; it holds its own references, made before foreign code runs."""
    write, pack, view = os.write, LENGTHS.pack, memoryview
    encode = json.JSONEncoder(allow_nan=False).encode
    prefix = MAGIC + token

    def send(head: dict[str, Any], body: bytes | memoryview) -> None:
        raw_head = encode(head).encode("ascii")
        raw_body = view(body).cast("B")
        write_all(prefix + pack(len(raw_head), len(raw_body)) + raw_head)
        write_all(raw_body)

    def write_all(data: bytes | memoryview) -> None:
        rest = view(data)
        while rest:
            rest = rest[write(fd, rest) :]

    return send
