"""Which figure a run means, how it is drawn, and what hostile or careless code may do to the capture."""

from __future__ import annotations

import numpy as np
import pytest

from tests.describe.conftest import Drawn, Forker

LINE = "plt.plot([1, 2], label='kept')\n"


def titles(drawn: Drawn) -> list[str]:
    return drawn.strings("title")


@pytest.mark.parametrize(
    "end",
    [
        "",
        "plt.show()",
        "plt.savefig('a.png')",
        "plt.savefig('/nowhere/a.png')",
        "import io; plt.savefig(io.BytesIO(), format='svg')",
        "plt.gcf().savefig('a.pdf', dpi=300)",
        "plt.gcf().canvas.print_figure('a.png')",
        "plt.gcf().canvas.print_png('a.png')",
        "plt.savefig('a.png'); plt.close()",
        "plt.savefig('a.png'); plt.clf()",
        "plt.show(block=True); plt.close('all')",
        "plt.close()",
        "from matplotlib.backends.backend_pdf import PdfPages\nwith PdfPages('a.pdf') as pages: pages.savefig()",
        "plt.savefig('a.png'); raise SystemExit",
        "import sys; sys.exit(0)",
        "plt.pause(60); plt.ginput(1, timeout=60)",
    ],
)
def test_the_figure_survives(draw: Forker, end: str) -> None:
    drawn = draw(f"{LINE}plt.title('t')\n{end}")
    assert drawn.status == "ok"
    assert titles(drawn) == ["t"]
    assert drawn.pixels.shape == (480, 640, 3)
    assert len(drawn.marks("line")) == 1
    assert drawn.hooked == []


def test_the_last_saved_figure_is_meant(draw: Forker) -> None:
    two = "plt.figure(); plt.title('one')\n{}\nplt.figure(); plt.title('two')\n{}"
    assert titles(draw(two.format("", ""))) == ["two"]
    assert titles(draw(two.format("plt.savefig('a')", ""))) == ["one"]
    assert titles(draw(two.format("plt.savefig('a')", "plt.savefig('b')"))) == ["two"]
    assert titles(draw(two.format("", "plt.figure(1).savefig('a')"))) == ["one"]
    assert draw(two.format("", "")).description.figures == 2


def test_as_it_was_when_saved(draw: Forker) -> None:
    assert titles(draw("plt.title('before'); plt.savefig('a'); plt.title('after')")) == ["before"]
    assert titles(draw("plt.title('before'); plt.savefig('a'); plt.title('after'); plt.savefig('a')")) == ["after"]


def test_object_oriented(draw: Forker) -> None:
    code = "from matplotlib.figure import Figure\nfigure = Figure(figsize=(2, 1)); figure.subplots().set_title('oo')\n"
    for end in ("", "figure.savefig('a.png')", "del figure"):
        drawn = draw(code + end)
        assert titles(drawn) == ["oo"]
        assert drawn.pixels.shape == (100, 200, 3)


def test_facecolor_and_transparency(draw: Forker) -> None:
    def corner(code: str) -> list[int]:
        return [int(value) for value in draw(LINE + code).pixels[2, 2]]

    assert corner("plt.savefig('a')") == [255, 255, 255]
    assert corner("plt.savefig('a', facecolor='#102030')") == [16, 32, 48]
    assert corner("plt.gcf().set_facecolor('#102030'); plt.savefig('a')") == [16, 32, 48]
    assert corner("plt.gcf().set_facecolor('#102030'); plt.savefig('a', transparent=True)") == [255, 255, 255]
    drawn = draw(LINE + "plt.gca().set_facecolor('red'); plt.savefig('a', transparent=True)")
    assert drawn.pixels[100, 300].tolist() == [255, 255, 255]
    assert drawn.description.facecolor == "#ffffff"
    again = draw(LINE + "plt.gca().set_facecolor('red'); plt.savefig('a', transparent=True); plt.savefig('b')")
    assert again.pixels[100, 300].tolist() == [255, 0, 0]


def ink(pixels: np.ndarray, background: int = 255) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is not background."""
    rows, columns = np.nonzero((pixels != background).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_tight_box_inside_the_canvas(draw: Forker) -> None:
    plain, tight = draw(LINE), draw(LINE + "plt.savefig('a', bbox_inches='tight')")
    height, width = tight.pixels.shape[:2]
    assert width < 640 and height < 480 and tight.description.tight and not plain.description.tight
    left, top, right, bottom = ink(tight.pixels)  # padded by 0.1 inch
    assert all(5 <= side <= 16 for side in (left, top, width - right, height - bottom)), (
        ink(tight.pixels),
        width,
        height,
    )
    _frame_matches(tight)
    _frame_matches(plain)


@pytest.mark.parametrize("where", [(-0.6, 0.5), (1.3, 0.5), (0.5, -0.5), (0.5, 1.4), (-0.7, 1.5)])
def test_tight_box_beyond_the_canvas(draw: Forker, where: tuple[float, float]) -> None:
    code = f"plt.gca().text({where[0]}, {where[1]}, 'outside', transform=plt.gca().transAxes, color='#ff0000')\n"
    drawn = draw(LINE + code + "plt.savefig('a', bbox_inches='tight')")
    height, width = drawn.pixels.shape[:2]
    assert width > 640 or height > 480 or where[0] > 1 or where[1] < 0
    left, top, right, bottom = ink(drawn.pixels)
    assert all(5 <= side <= 16 for side in (left, top, width - right, height - bottom)), (
        ink(drawn.pixels),
        width,
        height,
    )
    _frame_matches(drawn)
    red = (drawn.pixels[:, :, 0] > 200) & (drawn.pixels[:, :, 1] < 90)
    rows, columns = np.nonzero(red)
    (text,) = [text for text in drawn.texts("text") if text.string == "outside"]
    assert text.box == pytest.approx((columns.min(), rows.min(), columns.max(), rows.max()), abs=5)


def _frame_matches(drawn: Drawn) -> None:
    """The axes box of the description lies where the black frame is drawn."""
    box = drawn.axes[0].box
    x, y = round((box[0] + box[2]) / 2), round((box[1] + box[3]) / 2)
    for at_y in (box[1], box[3]):
        assert drawn.pixels[round(at_y) - 2 : round(at_y) + 3, x + 7].min() < 100
    for at_x in (box[0], box[2]):
        assert drawn.pixels[y + 7, round(at_x) - 2 : round(at_x) + 3].min() < 100


def test_given_box_and_padding(draw: Forker) -> None:
    box = "from matplotlib.transforms import Bbox\nplt.savefig('a', bbox_inches=Bbox([[1, 1], [3, 2]]))"
    assert draw(LINE + box).pixels.shape == (100, 200, 3)
    small = draw(LINE + "plt.savefig('a', bbox_inches='tight', pad_inches=0)").pixels.shape
    large = draw(LINE + "plt.savefig('a', bbox_inches='tight', pad_inches=0.5)").pixels.shape
    assert large[0] - small[0] == pytest.approx(100, abs=2)


def test_animation_stands_for_its_first_frame(draw: Forker) -> None:
    code = """
from matplotlib.animation import FuncAnimation
fig, ax = plt.subplots(); line, = ax.plot([], []); ax.set_xlim(0, 9); ax.set_ylim(0, 9)
def step(i):
    line.set_data([0, 8], [0, 1 + i]); ax.set_title(f'frame {i}'); return line,
shown = FuncAnimation(fig, step, frames=100000, interval=1)
"""
    for end in ("shown.save('a.gif', writer='pillow')", "shown.save('a.mp4')", "shown.to_jshtml()"):
        drawn = draw(code + end)
        assert drawn.status == "ok" and titles(drawn) == ["frame 0"]
    assert draw(code + "plt.show()").status == "ok"


def test_backends_that_need_a_screen(draw: Forker) -> None:
    assert (
        draw("import matplotlib\nmatplotlib.use('TkAgg')\nplt.switch_backend('Qt5Agg')\nplt.plot([1])").status == "ok"
    )


@pytest.mark.parametrize(
    ("code", "status", "name", "line"),
    [
        ("plt.plot([1)", "syntax_error", "SyntaxError", 3),
        ("x = 1\n1 / 0", "runtime_error", "ZeroDivisionError", 4),
        ("def f():\n    raise KeyError('k')\nf()", "runtime_error", "KeyError", 4),
        ("plt.plot([1, 2], [1])", "runtime_error", "ValueError", 3),
        ("import sys; sys.exit('no')", "runtime_error", "SystemExit", 3),
        ("raise KeyboardInterrupt", "runtime_error", "KeyboardInterrupt", 3),
        ("def f(): f()\nf()", "runtime_error", "RecursionError", 3),
        ("x = 1", "no_figure", "NoFigure", None),
        ("raise MemoryError", "memory_limit", "MemoryError", 3),
        ("plt.figure(figsize=(1000, 1000))", "figure_too_large", "FigureTooLargeError", None),
        ("plt.figure(figsize=(1000, 1000)); plt.savefig('a')", "figure_too_large", "FigureTooLargeError", 3),
        ("for i in range(300): plt.figure()", "figure_too_large", "TooManyFiguresError", 3),
        ("plt.title(r'$\\frac$'); plt.savefig('a')", "runtime_error", "ValueError", 3),
        ("input()", "runtime_error", "EOFError", 3),
        ("class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E", "runtime_error", "E", 5),
        ("class E(BaseException):\n    def __str__(self): return 7\nraise E", "runtime_error", "E", 5),
    ],
)
def test_failures(draw: Forker, code: str, status: str, name: str, line: int | None) -> None:
    if "input" in code:
        code = "import sys, io; sys.stdin = io.StringIO('')\n" + code
        line = 4
    drawn = draw(code)
    assert drawn.status == status
    assert drawn.error is not None
    assert (drawn.error["type"], drawn.error.get("line")) == (name, line)
    assert drawn.reply["description"] is None and drawn.pixels.size == 0


def test_a_crash_keeps_the_partial_figure_when_asked(draw: Forker) -> None:
    code = "plt.title('half'); plt.plot([1, 2])\nraise ValueError('x')"
    assert draw(code).reply["description"] is None
    drawn = draw(code, partial=True, calls=True, text_lines=True)
    assert drawn.status == "runtime_error" and drawn.error is not None and drawn.error["line"] == 4
    assert titles(drawn) == ["half"] and drawn.description.text_lines == ["half"]
    assert drawn.description.calls is not None and drawn.description.calls[0].name.endswith("plot")


@pytest.mark.parametrize(
    "mischief",
    [
        "import builtins\nfor name in ('len', 'str', 'isinstance', 'max', 'float'): setattr(builtins, name, None)",
        "import builtins; vars(builtins).clear()",
        "import json; json.dumps = json.loads = None",
        "import sys; sys.setrecursionlimit(60)",
        "import sys; sys.settrace(lambda *a: 1 / 0)",
        "import sys; sys.stdout = sys.stderr = None",
        "import gc; gc.disable(); gc.set_debug(0)",
        "np.seterr(all='raise')",
        "import warnings; warnings.simplefilter('error')",
        "import threading; threading.Thread(target=__import__('time').sleep, args=(30,)).start()",
        "import sys; del sys.modules['__main__']",
        "from matplotlib.figure import Figure; Figure.savefig = Figure.show = None; plt.show = None",
        "from matplotlib.backends.backend_agg import FigureCanvasAgg as F; F.draw = F.print_figure = None",
    ],
)
def test_mischief_spoils_nothing_of_ours(draw: Forker, mischief: str) -> None:
    drawn = draw(f"plt.plot([1, 2]); plt.title('t')\n{mischief}")
    assert drawn.status == "ok", drawn.error
    assert titles(drawn) == ["t"]


def test_one_run_leaves_nothing_for_the_next(draw: Forker) -> None:
    code = "plt.plot(np.random.rand(5)); import random; plt.title(random.random()); plt.savefig('a')"
    first = draw(code)
    draw("plt.rcParams['figure.figsize'] = (1, 1); plt.style.use('dark_background'); np.random.seed(7); plt.plot([1])")
    draw("import seaborn as sns; sns.set_theme(); plt.plot([1])")
    assert draw("plt.plot([1, 2], 'r')").marks("line")[0].colors == ["#ff0000"]  # seaborn changes what `r` means
    second = draw(code)
    assert np.array_equal(first.pixels, second.pixels)
    assert first.description == second.description


def test_extra_passes_do_not_change_the_picture(draw: Forker) -> None:
    code = (
        "fig, ax = plt.subplots(2, sharex=True); ax[0].plot([1, 5]); ax[1].bar(['a', 'b'], [1, 2]); plt.savefig('a')\n"
    )
    plain, full = draw(code), draw(code, calls=True, text_lines=True)
    assert np.array_equal(plain.pixels, full.pixels)
    assert plain.description.axes == full.description.axes
    again = draw(code + "ax[0].plot([5, 1]); plt.savefig('b')", text_lines=True)
    assert np.array_equal(again.pixels, draw(code + "ax[0].plot([5, 1]); plt.savefig('b')").pixels)


@pytest.mark.parametrize(
    "numbers",
    [
        "np.random.default_rng().random(9)",
        "np.random.RandomState().rand(9)",
        "np.random.Generator(np.random.PCG64()).random(9)",
        "(np.random.seed(), np.random.rand(9))[1]",
        "[random.Random().random() for _ in range(9)]",
        "(random.seed(), [random.random() for _ in range(9)])[1]",
        "[random.SystemRandom().random() for _ in range(9)]",
        "list(os.urandom(9)) + list(secrets.token_bytes(9)) + [uuid.uuid4().int % 1000]",
        "pd.Series(range(99)).sample(9)",
        "sns.algorithms.bootstrap(np.arange(9.0), n_boot=9)",
    ],
)
def test_what_has_no_seed_draws_the_same_each_time(draw: Forker, numbers: str) -> None:
    """Yet not one number over and over."""
    code = (
        "import os, random, secrets, uuid\nimport pandas as pd, seaborn as sns\n"
        f"plt.plot({numbers}); plt.plot({numbers})\nplt.show()"
    )
    once, again = draw(code), draw(code)
    assert once.status == "ok", once.error
    assert once.reply["description"] == again.reply["description"]
    first, second = (mark.data["y"] for mark in once.marks("line"))
    assert len(set(first)) > 5 and first != second
