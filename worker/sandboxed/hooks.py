"""Routes saving, showing, animating and choosing a backend to the run's session while submitted code runs."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib import animation
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# What the code may read back from its own save.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
_SAVE_OPTIONS = ("bbox_inches", "pad_inches", "bbox_extra_artists", "facecolor", "transparent")
# Not print_raw and print_rgba: our own drawing goes through them.
_PRINTERS = ("print_png", "print_jpg", "print_jpeg", "print_tif", "print_tiff", "print_webp")

open_file = open


class Watcher(Protocol):
    """The session of a run, as the hooks see it."""

    def remember(self, figure: Figure) -> None: ...

    def keep(self, figure: Figure, save_options: dict[str, Any]) -> None: ...

    def show(self) -> None: ...


class Hooks:
    """Attributes replaced for one run."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, bool, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute, whether it is the owner's own or inherited."""
        own = vars(owner)
        self._before.append((owner, name, name in own, own.get(name)))
        setattr(owner, name, value)

    def undo(self) -> None:
        """Put everything back."""
        while self._before:
            owner, name, had, value = self._before.pop()
            with contextlib.suppress(Exception):  # gone already, or an object of the code's own that refuses
                if had:
                    setattr(owner, name, value)
                else:
                    delattr(owner, name)


def watch_saving(hooks: Hooks, session: Watcher) -> None:
    """Install the hooks through which `session` learns of figures made, saved and shown."""
    plain_init = Figure.__init__

    def remembering_init(figure: Figure, *args: Any, **kwargs: Any) -> None:
        plain_init(figure, *args, **kwargs)
        session.remember(figure)

    def keeping_savefig(figure: Figure, fname: Any = None, *args: Any, **kwargs: Any) -> None:
        session.keep(figure, {name: kwargs[name] for name in _SAVE_OPTIONS if kwargs.get(name) is not None})
        answer_file(fname)

    def keeping_print_figure(
        canvas: Any, filename: Any = None, dpi: Any = None, facecolor: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        keeping_savefig(canvas.figure, filename, facecolor=facecolor, **kwargs)

    def keeping_print(canvas: Any, filename: Any = None, *args: Any, **kwargs: Any) -> None:
        session.keep(canvas.figure, {})
        answer_file(filename)

    def keeping_show(*args: Any, **kwargs: Any) -> None:
        session.show()

    def keeping_figure_show(figure: Figure, *args: Any, **kwargs: Any) -> None:
        session.keep(figure, {})

    def first_frame(shown: Any, *args: Any, **kwargs: Any) -> str:
        """An animation stands for its first frame; nothing is encoded."""
        shown._init_draw()
        shown._draw_was_started = True
        session.keep(shown._fig, {})
        return ""

    hooks.set(Figure, "__init__", remembering_init)
    hooks.set(Figure, "savefig", keeping_savefig)
    hooks.set(Figure, "show", keeping_figure_show)
    hooks.set(FigureCanvasBase, "print_figure", keeping_print_figure)
    hooks.set(FigureCanvasBase, "start_event_loop", ignored)  # ginput, waitforbuttonpress: nobody is there
    for name in _PRINTERS:
        if hasattr(FigureCanvasAgg, name):
            hooks.set(FigureCanvasAgg, name, keeping_print)
    hooks.set(plt, "show", keeping_show)
    hooks.set(plt, "pause", ignored)
    hooks.set(plt, "switch_backend", ignored)  # there is one backend: what is asked for could not show a window
    hooks.set(mpl, "use", ignored)
    for name in ("save", "to_html5_video", "to_jshtml"):
        hooks.set(animation.Animation, name, first_frame)


def ignored(*args: Any, **kwargs: Any) -> None:
    """Stands for calls that wait, or that choose what is chosen."""


def answer_file(target: Any) -> None:
    """Leave a one-pixel PNG where the code saved."""
    with contextlib.suppress(Exception):
        if hasattr(target, "write"):
            target.write(PIXEL)
        elif target is not None:
            with open_file(target, "wb") as file:
                file.write(PIXEL)
