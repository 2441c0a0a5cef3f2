"""Draws one figure at the canonical resolution and reads it: pixels and description. Runs inside the jail."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import describe
import matplotlib as mpl
import numpy as np
import once
import text_lines
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

MAX_SIDE = 2**16

# Private references: submitted code may swap the methods of these classes.
print_figure = FigureCanvasBase.print_figure
agg_draw, get_renderer = FigureCanvasAgg.draw, FigureCanvasAgg.get_renderer
frombuffer = Image.frombuffer
get_tightbbox, set_dpi = Figure.get_tightbbox, Figure._set_dpi


class FigureTooLargeError(Exception):
    """The figure has more pixels than allowed; raised before anything is drawn."""


class Drawing:
    """One figure drawn at the canonical resolution: its pixels (RGB rows) and what was read from it."""

    def __init__(self, width: int, height: int, pixels: bytes, description: dict[str, Any]) -> None:
        self.width = width
        self.height = height
        self.pixels = pixels
        self.description = description


def draw(figure: Figure, save_options: dict[str, Any], options: dict[str, Any]) -> Drawing:
    """Rasterise and read `figure`. Raises FigureTooLargeError before drawing what would exceed the pixel cap.

    `save_options`: what the code gave to its save (bbox_inches, pad_inches, bbox_extra_artists, facecolor,
    transparent). `options`: dpi, max_pixels, text_lines.
    """
    dpi, max_pixels = float(options.get("dpi", 100)), int(options.get("max_pixels", 16_000_000))
    width_in, height_in = (float(side) for side in figure.get_size_inches())
    check_size(width_in * dpi, height_in * dpi, max_pixels)
    canvas = figure.canvas
    if type(canvas) is not FigureCanvasAgg:
        canvas = FigureCanvasAgg(figure)
    box = save_options.get("bbox_inches") or mpl.rcParams["savefig.bbox"]
    old_dpi = figure.dpi
    set_dpi(figure, dpi, forward=False)
    try:
        with painted(figure, save_options), once.one_picture():
            pixels, left, top = rasterise(figure, canvas, box, save_options, max_pixels)
            height, width = pixels.shape[:2]
            rgb = flatten(pixels)
            with np.errstate(all="ignore"):
                description = describe.read(
                    figure,
                    get_renderer(canvas),
                    left=left,
                    top=top,
                    width=width,
                    height=height,
                    tight=box == "tight",
                )
    finally:
        set_dpi(figure, old_dpi, forward=False)
    if options.get("text_lines"):
        description["text_lines"] = text_lines.read(figure)
    figure.stale = False
    return Drawing(width, height, rgb, description)


@contextlib.contextmanager
def painted(figure: Figure, save_options: dict[str, Any]) -> Iterator[None]:
    """The backgrounds as the save asked for them; put back afterwards."""
    transparent = save_options.get("transparent")
    if transparent is None:
        transparent = mpl.rcParams["savefig.transparent"]
    facecolor = save_options.get("facecolor")
    if facecolor is None:
        facecolor = "none" if transparent else mpl.rcParams["savefig.facecolor"]
    wanted: list[tuple[Any, Any]] = []
    if not (isinstance(facecolor, str) and facecolor == "auto"):
        wanted.append((figure.patch, facecolor))
    if transparent:
        wanted += [(axes.patch, "none") for axes in figure.get_axes()]
    before = [(patch, patch.get_facecolor(), patch._original_facecolor) for patch, _ in wanted]
    try:
        for patch, color in wanted:
            patch.set_facecolor(color)
        yield
    finally:
        for patch, color, original in before:
            patch.set_facecolor(color)
            patch._original_facecolor = original


def rasterise(
    figure: Figure, canvas: Any, box: Any, save_options: dict[str, Any], max_pixels: int
) -> tuple[Any, float, float]:
    """RGBA rows, and the point of the canvas (pixels from its top left) that lies at their top left.

    With a tight box the figure is drawn whole, which lays it out; when the box lies inside, it is cut from that
    picture. Only what reaches beyond the canvas is drawn a second time, onto a larger one.
    """
    agg_draw(canvas)
    whole = np.asarray(canvas.buffer_rgba())
    if box is None:
        return whole, 0.0, 0.0
    dpi = figure.dpi
    if isinstance(box, str):
        pad = save_options.get("pad_inches")
        pad = mpl.rcParams["savefig.pad_inches"] if pad is None or isinstance(pad, str) else float(pad)
        box = get_tightbbox(
            figure, get_renderer(canvas), bbox_extra_artists=save_options.get("bbox_extra_artists")
        ).padded(pad)
    check_size(box.width * dpi, box.height * dpi, max_pixels)
    height, width = whole.shape[:2]
    x0, x1, y0, y1 = (round(side * dpi) for side in (box.x0, box.x1, box.y0, box.y1))
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height and x1 > x0 and y1 > y0:
        return whole[height - y1 : height - y0, x0:x1], float(x0), float(height - y1)
    print_figure(
        canvas, io.BytesIO(), format="rgba", dpi=dpi, facecolor=figure.get_facecolor(), bbox_inches=box, orientation=""
    )
    larger = np.asarray(canvas.renderer.buffer_rgba())
    return larger, box.x0 * dpi, figure.bbox.height - box.y0 * dpi - larger.shape[0]


def check_size(width: float, height: float, max_pixels: int) -> None:
    """Refuse a picture of too many pixels, or of a size that is no number."""
    if not (width * height <= max_pixels and max(width, height) < MAX_SIDE):
        raise FigureTooLargeError(
            f"{width:.0f} x {height:.0f} pixels; at most {max_pixels} are drawn (figsize is in inches)"
        )


def flatten(rgba: Any) -> bytes:
    """RGBA rows over white, as RGB. Most figures are opaque: then Pillow leaves out every fourth byte."""
    rgba = np.ascontiguousarray(rgba)
    if not rgba.size:
        return b""
    if rgba.view("<u4").min() < 0xFF000000:  # the alpha is the highest byte
        share = rgba[:, :, 3, None].astype(np.float32) / 255.0
        return bytes(np.rint(rgba[:, :, :3] * share + 255.0 * (1.0 - share)).astype(np.uint8))
    height, width = rgba.shape[:2]
    return bytes(frombuffer("RGBA", (width, height), rgba, "raw", "RGBA", 0, 1).tobytes("raw", "RGB"))
