"""Pictures from users are decoded in the jail, and hostile bytes get `bad_reference`."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from worker.jail import Jail


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient() -> Image.Image:
    rows = np.add.outer(np.arange(40), np.arange(60))
    return Image.fromarray(np.stack([rows, rows * 2, 255 - rows], axis=-1).astype(np.uint8))


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG whose header announces any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_pictures_come_back_as_they_were(jail: Jail, kind: str, options: dict[str, object]) -> None:
    outcome = jail.decode(encoded(gradient(), kind, **options))
    assert outcome.status == "ok", outcome.error
    assert outcome.pixels is not None
    assert np.array_equal(outcome.pixels, np.asarray(gradient()))
    assert outcome.description is None


def test_a_jpeg_comes_back_about_as_it_was(jail: Jail) -> None:
    outcome = jail.decode(encoded(gradient(), "JPEG", quality=95))
    assert outcome.pixels is not None
    assert outcome.pixels.shape == (40, 60, 3)
    assert np.abs(outcome.pixels.astype(int) - np.asarray(gradient()).astype(int)).mean() < 3


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (8, 4), (255, 0, 0, 0)),
        Image.new("LA", (8, 4), (0, 0)),
        Image.new("P", (8, 4)).convert("RGBA").point(lambda _: 0).quantize(2),
    ],
    ids=["RGBA", "LA", "palette"],
)
def test_transparency_lies_on_white(jail: Jail, image: Image.Image) -> None:
    outcome = jail.decode(encoded(image, "PNG"))
    assert outcome.pixels is not None
    assert outcome.pixels.shape == (4, 8, 3)
    assert (outcome.pixels == 255).all()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing", b""),
        ("text", b"hello"),
        ("announces 10^10 pixels", png(100_000, 100_000, zlib.compress(b""))),
        ("a row of 2^31 pixels", png(2**31 - 1, 1, b"")),
        ("no pixels", png(0, 0, b"")),
        ("truncated", encoded(gradient(), "PNG")[:-200]),
        ("truncated JPEG", encoded(gradient(), "JPEG")[:300]),
        ("GIF", encoded(gradient(), "GIF")),
        ("TIFF", encoded(gradient(), "TIFF")),
        ("EPS, which Pillow hands to Ghostscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("zip bomb of pixels", png(3000, 3000, zlib.compress(bytes(3000 * 9001)))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_pictures_are_refused_with_a_reason(jail: Jail, name: str, data: bytes) -> None:
    outcome = jail.decode(data)
    assert outcome.status == "bad_reference", name
    assert outcome.pixels is None
    assert outcome.error is not None
    assert outcome.error.message


def test_random_damage_never_breaks_the_slot(jail: Jail) -> None:
    rng = np.random.default_rng(7)
    for kind in ("PNG", "JPEG", "WEBP"):
        good = np.frombuffer(encoded(gradient(), kind), np.uint8)
        for _ in range(15):
            bad = good.copy()
            bad[rng.integers(0, len(bad), 9)] = rng.integers(0, 256, 9)
            assert jail.decode(bad.tobytes()).status in {"ok", "bad_reference"}
