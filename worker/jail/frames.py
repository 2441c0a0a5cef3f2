"""The supervisor's end of the two messages (worker/sandboxed/frames.py is the job's): every length is checked."""

from __future__ import annotations

import json
import secrets
import socket
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"CRR1"
_TOKEN_BYTES = 16
_LENGTHS = struct.Struct(">II")
_PREFIX_BYTES = len(_MAGIC) + _TOKEN_BYTES + _LENGTHS.size


class FrameError(Exception):
    """The bytes from the job are not the one result frame it owes."""


def new_token() -> bytes:
    """What a genuine result repeats. It tells accidents and clumsy forgeries apart, not code that reads the harness."""
    return secrets.token_bytes(_TOKEN_BYTES)


def job(head: dict[str, Any], body: bytes, token: bytes) -> bytes:
    """One job as bytes."""
    raw = json.dumps({**head, "token": token.hex()}).encode()
    return _LENGTHS.pack(len(raw), len(body)) + raw + body


class ResultReader:
    """Collects one result frame from a non-blocking socket, straight into memory of the announced size."""

    def __init__(self, token: bytes, *, max_head: int, max_body: int) -> None:
        self._expected = _MAGIC + token
        self._max_head, self._max_body = max_head, max_body
        self._prefix = bytearray(_PREFIX_BYTES)
        self._target = memoryview(self._prefix)
        self._filled = 0
        self._part = 0
        self.head = bytearray()
        self.body: NDArray[np.uint8] = np.empty(0, np.uint8)
        self.started = False
        self.complete = False

    def read(self, source: socket.socket) -> bool:
        """Take what is there; False at the end of the stream. Raises FrameError for bytes that cannot be a result."""
        while not self.complete:
            try:
                count = source.recv_into(self._target[self._filled :])
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if count == 0:
                return False
            self.started = True
            self._filled += count
            while self._filled == len(self._target) and not self.complete:
                self._next_part()
        return True

    def _next_part(self) -> None:
        if self._part == 0:
            if self._prefix[: len(self._expected)] != self._expected:
                raise FrameError("the result was not written by the harness")
            head, body = _LENGTHS.unpack_from(self._prefix, len(self._expected))
            if head > self._max_head or body > self._max_body:
                raise FrameError(f"the result announces {head} + {body} bytes, beyond its limits")
            self.head = bytearray(head)
            self.body = np.empty(body, np.uint8)
            self._target = memoryview(self.head)
        elif self._part == 1:
            self._target = self.body.data
        else:
            self.complete = True
        self._filled = 0
        self._part += 1
