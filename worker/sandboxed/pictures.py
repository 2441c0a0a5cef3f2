"""Reference pictures from users, decoded inside the jail: PNG, JPEG or WebP bytes to RGB bytes."""

from __future__ import annotations

import io
import warnings
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

FORMATS = ("PNG", "JPEG", "WEBP")


def warm() -> None:
    """Decode one tiny picture of each format, so that a job imports nothing."""
    Image.preinit()
    for plugin in (PngImagePlugin, JpegImagePlugin, WebPImagePlugin):
        name = plugin.__name__.rsplit(".", 1)[-1].removesuffix("ImagePlugin").upper()
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, name)
        decode(buffer.getvalue(), {"max_pixels": 16})


def decode(image: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Reply and RGB bytes; transparency lies on white. The size is checked before a pixel is decoded.

    The reply's status is "ok", or "bad_reference" with what is wrong with the picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size warning; ours is an error
            return _decode(image, int(options["max_pixels"]))
    except MemoryError:
        return _refusal("MemoryError", "the picture needs more memory than the jail grants"), b""
    except Exception as error:  # a decoder raises anything on hostile bytes; each is the picture's fault
        return _refusal(type(error).__name__, str(error) or "the picture cannot be decoded"), b""


def _decode(image: bytes, max_pixels: int) -> tuple[dict[str, Any], bytes]:
    with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
        width, height = opened.size
        if not 0 < width * height <= max_pixels:
            return _refusal("TooLarge", f"the picture has {width} x {height} pixels; {max_pixels} are allowed"), b""
        opened.load()
        if opened.has_transparency_data:
            layered = opened.convert("RGBA")
            canvas = Image.new("RGBA", layered.size, "white")
            canvas.alpha_composite(layered)
            flat = canvas.convert("RGB")
        else:
            flat = opened.convert("RGB")
    return {"status": "ok", "error": None, "width": width, "height": height}, flat.tobytes()


def _refusal(kind: str, message: str) -> dict[str, Any]:
    error = {"type": kind, "message": message[:1000], "line": None, "traceback": None, "errno": None}
    return {"status": "bad_reference", "error": error, "width": 0, "height": 0}
