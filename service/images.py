"""What can be told of a picture from its header alone. Decoding happens in the jail, never here."""

from __future__ import annotations

import base64
import binascii
import struct

PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers of JPEG: all of C0..CF but DHT, JPG and DAC.
SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class ImageError(ValueError):
    """Not a picture that can serve as a reference; the message says why."""


def check_image(text: str, max_pixels: int) -> tuple[int, int]:
    """(width, height) in pixels of a base64 picture, from its header. Raises ImageError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"not base64: {error}") from None
    size = _size(data)
    if size is None:
        raise ImageError("neither PNG, JPEG nor WebP, or its header is damaged")
    width, height = size
    if width < 1 or height < 1:
        raise ImageError("the picture is empty")
    if width * height > max_pixels:
        raise ImageError(f"{width} x {height} pixels; at most {max_pixels:,} pixels are taken")
    return width, height


def _size(data: bytes) -> tuple[int, int] | None:
    try:
        if data.startswith(PNG) and data[12:16] == b"IHDR":
            width, height = struct.unpack(">II", data[16:24])
            return width, height
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk the segments to the frame header (ITU T.81, B.2.2)."""
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # no payload
            at += 2
        elif marker in SOF:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    """The three kinds of WebP (RFC 9649): extended, lossless, lossy."""
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        return width, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None
