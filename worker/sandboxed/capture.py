"""Runs submitted code, remembers the figure it means, draws it once and reads it. Runs inside the jail.

Which figure: the last one saved or shown, as it was at that moment; else pyplot's current figure; else the last
figure made without pyplot. What the code saves is not written: its call returns, and the figure is drawn here, at the
canonical resolution, with the facecolor and the tight bounding box the code asked for.
"""

from __future__ import annotations

import builtins
import sys
import time
import traceback
import warnings
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import boxes
import calls
import entropy
import fonts
import matplotlib.pyplot as plt
import once
import rectangles
import shortcuts
import ticks
from drawing import Drawing, FigureTooLargeError, draw
from hooks import Hooks, watch_saving
from matplotlib.figure import Figure
from warmup import WARM_UP

plt.switch_backend("agg")  # now, not at the first figure, when the code's own choice of a backend is ignored

FILENAME = "<completion>"
MAX_MESSAGE = 2000
MAX_TRACEBACK = 8000
MAX_FRAMES = 50

perf_counter = time.perf_counter
get_fignums, gcf = plt.get_fignums, plt.gcf
settrace, setprofile = sys.settrace, sys.setprofile
setrecursionlimit, getrecursionlimit = sys.setrecursionlimit, sys.getrecursionlimit


class TooManyFiguresError(Exception):
    """The code opened more figures than allowed."""


class Session:
    """What one run of submitted code drew: the last figure saved or shown, and the last one made."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.max_figures = int(options.get("max_figures", 200))
        self.last: Figure | None = None
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
        self.last = figure

    def keep(self, figure: Figure, save_options: dict[str, Any]) -> None:
        """The code saves or shows `figure`: draw it as it is now, unless that was done and nothing changed since."""
        if self.meant is not None and figure is self.meant and not figure.stale and save_options == self.save_options:
            return
        self.drawing = self._draw(figure, save_options)
        self.meant, self.save_options = figure, save_options

    def show(self) -> None:
        """`plt.show()`: what is shown last is pyplot's current figure."""
        if get_fignums():
            self.keep(gcf(), {})

    def finish(self) -> Drawing | None:
        """The drawing that stands for the run, or None when the code made no figure."""
        if self.drawing is not None:
            return self.drawing
        figure = gcf() if get_fignums() else self.last
        return None if figure is None else self._draw(figure, {})

    def _draw(self, figure: Figure, save_options: dict[str, Any]) -> Drawing:
        start = perf_counter()
        try:
            return draw(figure, save_options, self.options)
        finally:
            self.draw_s += perf_counter() - start


def execute(code: str, options: dict[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    """Run `code`, draw what it means: the reply and width * height * 3 bytes of RGB, or None.

    Options: dpi, max_pixels, max_figures; `calls` and `text_lines` ask for those parts of the description; with
    `partial` a figure that a crash left half made is drawn too. Never raises for what the code did.
    """
    reply: dict[str, Any] = {"status": "ok", "error": None, "width": 0, "height": 0, "description": None}
    reply.update(exec_ms=0.0, draw_ms=0.0)
    try:
        program = compile(code, FILENAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        reply.update(status="syntax_error", error=read_error(error))
        return reply, None
    warnings.simplefilter("ignore")
    entropy.restart()
    session = Session(options)
    log = calls.CallLog() if options.get("calls") else None
    hooks = Hooks()
    start = perf_counter()
    drawing: Drawing | None = None
    try:
        watch_saving(hooks, session)
        if log is not None:
            watch_calls(hooks, log)
        failure = run(program)
        reply.update(failure or {})
        if failure is None or (options.get("partial") and reply["status"] == "runtime_error"):
            drawing, failure = finish(session, log)
            if reply["status"] == "ok":
                reply.update(failure or {})
    finally:
        hooks.undo()
    reply["draw_ms"] = session.draw_s * 1e3
    reply["exec_ms"] = max(0.0, perf_counter() - start - session.draw_s) * 1e3
    if drawing is None:
        return reply, None
    reply.update(width=drawing.width, height=drawing.height, description=drawing.description)
    return reply, drawing.pixels


def watch_calls(hooks: Hooks, log: calls.CallLog) -> None:
    """Have `log` told of plotting calls, those of packages that the code is the first to import included."""

    def watch_loaded() -> None:
        for hook in calls.hooks(log):
            hooks.set(*hook)

    watch_loaded()
    hooks.set(sys, "meta_path", [calls.Arrivals(watch_loaded), *sys.meta_path])


def run(program: Any) -> dict[str, Any] | None:
    """Execute compiled code as `__main__`; what went wrong as `status` and `error`, or None."""
    main = type(sys)("__main__")
    main.__dict__.update(__file__=FILENAME, __builtins__=builtins)
    sys.modules["__main__"] = main
    sys.argv = [FILENAME]
    # What the code may have swapped is put back before anything else runs; nothing here looks a name up in builtins.
    put_back, names, limit = builtins.__dict__.update, dict(builtins.__dict__), getrecursionlimit()
    caught: BaseException | None = None
    everything = BaseException
    try:
        exec(program, main.__dict__)
    except everything as error:
        caught = error
    put_back(names)
    settrace(None)
    setprofile(None)
    setrecursionlimit(limit)
    return None if caught is None else read_failure(caught)


def finish(session: Session, log: calls.CallLog | None) -> tuple[Drawing | None, dict[str, Any] | None]:
    """The drawing that stands for the run, and what went wrong with it."""
    try:
        drawing = session.finish()
        if drawing is None:
            return None, {
                "status": "no_figure",
                "error": {"type": "NoFigure", "message": "the code made no figure"},
            }
        drawing.description["figures"] = session.made
        if log is not None:
            drawing.description["calls"] = log.read()
        return drawing, None
    except BaseException as error:
        return None, read_failure(error)


def read_failure(error: BaseException) -> dict[str, Any] | None:
    """Status and error of an exception; None for an orderly exit."""
    if isinstance(error, SystemExit) and (error.code is None or error.code == 0):
        return None
    status = "runtime_error"
    if isinstance(error, (FigureTooLargeError, TooManyFiguresError)):
        status = "figure_too_large"
    elif isinstance(error, MemoryError):
        status = "memory_limit"
    return {"status": status, "error": read_error(error)}


def read_error(error: BaseException) -> dict[str, Any]:
    """Type, message, line of the submitted code and its frames, all capped. Survives hostile exceptions."""
    read: dict[str, Any] = {"type": "Exception", "message": "", "line": None, "traceback": None, "errno": None}
    try:
        read["type"] = str(type.__getattribute__(type(error), "__name__"))[:200]
        lines = [
            (number, frame.f_code.co_name)
            for frame, number in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename == FILENAME
        ]
        if lines:
            read["line"] = lines[-1][0]
            read["traceback"] = "\n".join(f"line {at}, in {name}" for at, name in lines[-MAX_FRAMES:])[:MAX_TRACEBACK]
        if isinstance(error, SyntaxError) and isinstance(error.lineno, int):
            read["line"] = error.lineno
        number = getattr(error, "errno", None)
        read["errno"] = number if isinstance(number, int) else None
        read["message"] = "(the exception's message could not be read)"
        read["message"] = str(error)[:MAX_MESSAGE]
    except BaseException:
        return read  # what was read before its own code raised
    return read


def warm(libraries: str) -> None:
    """Import `libraries` (a key of WARM_UP) and draw figures that touch what is loaded late, for children to find."""
    entropy.install()
    fonts.install()
    boxes.install()
    once.install()
    rectangles.install()
    shortcuts.install()
    ticks.install()
    main, argv = sys.modules["__main__"], sys.argv
    with warnings.catch_warnings():
        for code in WARM_UP[libraries]:
            with mpl.rc_context():
                reply, _ = execute(code, {"calls": True, "text_lines": True})
            if reply["status"] != "ok":  # our own figure
                raise RuntimeError(f"the warm-up figure failed: {reply['error']}")
            plt.close("all")
    sys.modules["__main__"], sys.argv = main, argv
