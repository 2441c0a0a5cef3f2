"""Runs submitted code, remembers the figure it means, draws it once and reads it. Runs inside the jail.

Which figure: the last one saved or shown, as it was at that moment; else pyplot's current figure; else the last
figure made without pyplot. What the code saves is not written: its call returns, and the figure is drawn here, at the
canonical resolution, with the facecolor and the tight bounding box the code asked for.
"""

from __future__ import annotations

import contextlib
import gc
import io
import random
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import describe
import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FILENAME = "<completion>"
MAX_MESSAGE = 2000
MAX_TRACEBACK = 8000

perf_counter = time.perf_counter
print_figure = FigureCanvasBase.print_figure
get_fignums = plt.get_fignums


class FigureTooLargeError(Exception):
    """The figure has more pixels than allowed; raised before anything is drawn."""


class TooManyFiguresError(Exception):
    """The code opened more figures than allowed."""


class Drawing:
    """One figure drawn at the canonical resolution: its pixels and what was read from it."""

    def __init__(self, width: int, height: int, pixels: bytes, description: dict[str, Any]) -> None:
        self.width = width
        self.height = height
        self.pixels = pixels
        self.description = description


class Session:
    """What one run of submitted code drew: the last figure saved or shown, and every figure made."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.dpi = float(options.get("dpi", 100))
        self.max_pixels = int(options.get("max_pixels", 16_000_000))
        self.max_figures = int(options.get("max_figures", 200))
        self.figures: list[Figure] = []
        self.made = 0
        self.meant: Figure | None = None
        self.save_options: dict[str, Any] = {}
        self.drawing: Drawing | None = None
        self.draw_s = 0.0

    def remember(self, figure: Figure) -> None:
        """Called for each new figure; keeps the last one alive even when the code closes it."""
        self.made += 1
        if self.made > self.max_figures:
            raise TooManyFiguresError(f"more than {self.max_figures} figures")
        self.figures[:] = [figure]

    def keep(self, figure: Figure, save_options: dict[str, Any]) -> None:
        """The code saves or shows `figure`: draw it as it is now, unless that was done and nothing changed since."""
        if figure is self.meant and not figure.stale and save_options == self.save_options:
            return
        self.meant, self.save_options = figure, save_options
        self.drawing = self.draw(figure, save_options)

    def finish(self) -> Drawing | None:
        """The drawing that stands for the run, or None when the code made no figure."""
        if self.drawing is not None:
            return self.drawing
        numbers = get_fignums()
        if numbers:
            return self.draw(plt.gcf(), {})
        if self.figures:
            return self.draw(self.figures[-1], {})
        return None

    def draw(self, figure: Figure, save_options: dict[str, Any]) -> Drawing:
        """Rasterise once. Raises FigureTooLargeError before drawing what would exceed the pixel cap."""
        start = perf_counter()
        try:
            width_in, height_in = (float(side) for side in figure.get_size_inches())
            self.check(width_in, height_in)
            canvas = figure.canvas
            if type(canvas) is not FigureCanvasAgg:
                canvas = FigureCanvasAgg(figure)
            tight = save_options.get("bbox_inches", mpl.rcParams["savefig.bbox"]) == "tight"
            facecolor = save_options.get("facecolor", mpl.rcParams["savefig.facecolor"])
            return self.rasterise(figure, canvas, tight, facecolor, save_options)
        finally:
            self.draw_s += perf_counter() - start

    def rasterise(
        self, figure: Figure, canvas: FigureCanvasAgg, tight: bool, facecolor: Any, save_options: dict[str, Any]
    ) -> Drawing:
        """Draw with `canvas`, read the figure from the same renderer's layout."""
        old_dpi, old_color = figure.dpi, figure.get_facecolor()
        figure._set_dpi(self.dpi, forward=False)
        try:
            if not (isinstance(facecolor, str) and facecolor == "auto"):
                figure.set_facecolor(facecolor)
            if save_options.get("transparent"):
                figure.patch.set_visible(False)
            pixels, left, top = self.print_raw(figure, canvas, tight, save_options)
            height, width = pixels.shape[:2]
            description = describe.read(
                figure, canvas.get_renderer(), left=left, top=top, width=width, height=height, tight=tight
            )
            description["figures"] = self.made
            rgb = flatten(pixels)
            return Drawing(rgb.shape[1], rgb.shape[0], rgb.tobytes(), description)
        finally:
            figure._set_dpi(old_dpi, forward=False)
            figure.set_facecolor(old_color)
            figure.stale = False

    def print_raw(
        self, figure: Figure, canvas: FigureCanvasAgg, tight: bool, save_options: dict[str, Any]
    ) -> tuple[Any, float, float]:
        """One rasterisation. Returns RGBA rows and the canvas point (from the top left) that pixel (0, 0) shows."""
        if not tight:
            canvas.draw()
            return np.asarray(canvas.buffer_rgba()), 0.0, 0.0
        pad = save_options.get("pad_inches")
        pad = mpl.rcParams["savefig.pad_inches"] if pad is None or isinstance(pad, str) else float(pad)
        canvas.draw()  # lays out; its picture is used when the tight box lies inside it
        whole = np.asarray(canvas.buffer_rgba())
        box = figure.get_tightbbox(canvas.get_renderer(), bbox_extra_artists=save_options.get("bbox_extra_artists"))
        box = box.padded(pad)
        self.check(box.width, box.height)
        x0, x1 = round(box.x0 * self.dpi), round(box.x1 * self.dpi)
        y0, y1 = round(box.y0 * self.dpi), round(box.y1 * self.dpi)
        height, width = whole.shape[:2]
        if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height and x1 > x0 and y1 > y0:
            return whole[height - y1 : height - y0, x0:x1], float(x0), float(height - y1)
        buffer = io.BytesIO()
        print_figure(
            canvas,
            buffer,
            format="rgba",
            dpi=self.dpi,
            facecolor=figure.get_facecolor(),
            bbox_inches=box,
            orientation="portrait",
        )
        width, height_drawn = (int(side) for side in canvas.get_width_height())
        raw = np.frombuffer(buffer.getvalue(), np.uint8)
        width = round((x1 - x0))
        rows = raw.size // 4 // max(width, 1)
        if rows * width * 4 != raw.size:
            width = int(box.width * self.dpi)
            rows = raw.size // 4 // max(width, 1)
        return raw[: rows * width * 4].reshape(rows, width, 4), float(x0), float(height - y1)

    def check(self, width_in: float, height_in: float) -> None:
        """Refuse a picture of too many pixels."""
        width, height = width_in * self.dpi, height_in * self.dpi
        if not (width * height <= self.max_pixels and max(width, height) < 2**16):
            raise FigureTooLargeError(
                f"{width:.0f} x {height:.0f} pixels; at most {self.max_pixels} are drawn (figsize is in inches)"
            )


def flatten(rgba: Any) -> Any:
    """RGBA rows over white, as RGB. Most figures are opaque: then it is a plain copy."""
    alpha = rgba[:, :, 3]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgba[:, :, :3])
    share = alpha[:, :, None].astype(np.float32) / 255.0
    return np.rint(rgba[:, :, :3] * share + 255.0 * (1.0 - share)).astype(np.uint8)


@contextlib.contextmanager
def hooked(session: Session) -> Iterator[None]:
    """Route saving and showing to `session` while submitted code runs."""
    plain_init = Figure.__init__

    def remembering_init(figure: Figure, *args: Any, **kwargs: Any) -> None:
        plain_init(figure, *args, **kwargs)
        session.remember(figure)

    def keeping_print(
        canvas: Any, filename: Any, dpi: Any = None, facecolor: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        options = {
            key: kwargs[key]
            for key in ("bbox_inches", "pad_inches", "bbox_extra_artists")
            if kwargs.get(key) is not None
        }
        if facecolor is not None:
            options["facecolor"] = facecolor
        session.keep(canvas.figure, options)
        answer_file(filename, session)

    def keeping_savefig(figure: Figure, fname: Any = None, *, transparent: Any = None, **kwargs: Any) -> None:
        options = {
            key: kwargs[key]
            for key in ("bbox_inches", "pad_inches", "bbox_extra_artists", "facecolor")
            if kwargs.get(key) is not None
        }
        if transparent:
            options["transparent"] = True
        session.keep(figure, options)
        answer_file(fname, session)

    def keeping_show(*args: Any, **kwargs: Any) -> None:
        if get_fignums():
            session.keep(plt.gcf(), {})

    def keeping_figure_show(figure: Figure, *args: Any, **kwargs: Any) -> None:
        session.keep(figure, {})

    Figure.__init__ = remembering_init
    Figure.savefig = keeping_savefig
    Figure.show = keeping_figure_show
    FigureCanvasBase.print_figure = keeping_print
    plt.show = keeping_show
    yield


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)


def answer_file(target: Any, session: Session) -> None:
    """What the code may read back from its own save: a one-pixel PNG."""
    with contextlib.suppress(Exception):
        if hasattr(target, "write"):
            target.write(PIXEL)
        elif target is not None:
            with open(target, "wb") as file:
                file.write(PIXEL)


def execute(code: str, options: dict[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    """Run `code`, draw what it means. Never raises for what the code did."""
    session = Session(options)
    reply: dict[str, Any] = {"status": "ok", "error": None, "width": 0, "height": 0, "description": None}
    drawing: Drawing | None = None
    warnings.simplefilter("ignore")
    random.seed(0)
    np.random.seed(0)
    start = perf_counter()
    try:
        program = compile(code, FILENAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        reply.update(status="syntax_error", error=read_error(error), exec_ms=0.0, draw_ms=0.0)
        return reply, None
    main = type(sys)("__main__")
    main.__dict__.update(__file__=FILENAME, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv = [FILENAME]
    try:
        with hooked(session):
            exec(program, main.__dict__)
    except SystemExit as leave:
        if leave.code not in (None, 0):
            reply.update(status="runtime_error", error=read_error(leave))
    except FigureTooLargeError as error:
        reply.update(status="figure_too_large", error=read_error(error))
    except MemoryError as error:
        reply.update(status="memory_limit", error=read_error(error))
    except BaseException as error:
        reply.update(status="runtime_error", error=read_error(error))
    ran = perf_counter()
    if reply["status"] == "ok" or (options.get("partial") and reply["status"] == "runtime_error"):
        try:
            drawing = session.finish()
            if drawing is None and reply["status"] == "ok":
                reply.update(status="no_figure", error={"type": "NoFigure", "message": "the code made no figure"})
        except FigureTooLargeError as error:
            reply.update(status="figure_too_large", error=read_error(error))
        except MemoryError as error:
            reply.update(status="memory_limit", error=read_error(error))
        except BaseException as error:
            reply.update(status="runtime_error", error=read_error(error))
    done = perf_counter()
    inside = session.draw_s - (0 if drawing is None or session.drawing is drawing else 0)
    reply["draw_ms"] = inside * 1e3
    reply["exec_ms"] = max(0.0, (done - start - inside) * 1e3)
    if drawing is None:
        return reply, None
    reply.update(width=drawing.width, height=drawing.height, description=drawing.description)
    return reply, drawing.pixels


def read_error(error: BaseException) -> dict[str, Any]:
    """Type, message, line of the submitted code and its frames, all capped. Survives hostile __str__."""
    try:
        message = str(error)[:MAX_MESSAGE]
    except BaseException:
        message = "(the exception's message could not be read)"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILENAME]
    line = frames[-1].lineno if frames else None
    if isinstance(error, SyntaxError):
        line = error.lineno
    text = "\n".join(f"line {frame.lineno}, in {frame.name}" for frame in frames[-50:])
    number = getattr(error, "errno", None)
    return {
        "type": type(error).__name__[:200],
        "message": message,
        "line": line if isinstance(line, int) else None,
        "traceback": text[:MAX_TRACEBACK] or None,
        "errno": number if isinstance(number, int) else None,
    }


WARM_UP = """
import numpy as np, pandas as pd, seaborn as sns, networkx as nx, scipy.stats
import matplotlib.pyplot as plt
from mpl_toolkits.mplot3d import Axes3D
fig, ax = plt.subplots(2, 2)
ax[0, 0].plot([1, 2], label="$x^2$"); ax[0, 0].legend(); ax[0, 0].set_title("t"); ax[0, 0].annotate("a", (0, 1))
ax[0, 1].bar(["a", "b"], [1, 2]); ax[1, 0].scatter([1, 2], [1, 2], c=[1, 2]); ax[1, 1].pie([1, 2], labels=["a", "b"])
fig.add_axes([0.8, 0.8, 0.1, 0.1], projection="polar"); fig.add_axes([0.5, 0.5, 0.1, 0.1], projection="3d")
fig.colorbar(ax[1, 0].collections[0])
plt.tight_layout()
plt.savefig("x.png", bbox_inches="tight")
"""


def warm() -> None:
    """Import the chart libraries and draw one figure, so that a forked child finds everything loaded."""
    hooks = (Figure.__init__, Figure.savefig, Figure.show, FigureCanvasBase.print_figure, plt.show)
    main, argv = sys.modules["__main__"], sys.argv
    reply, _ = execute(WARM_UP, {})
    sys.modules["__main__"], sys.argv = main, argv
    Figure.__init__, Figure.savefig, Figure.show, FigureCanvasBase.print_figure, plt.show = hooks
    plt.close("all")
    gc.collect()
    if reply["status"] != "ok":  # our own figure
        raise RuntimeError(f"the warm-up figure failed: {reply['error']}")
