"""What a job says of itself: forged replies are `crashed`, and no description costs whoever reads it much."""

from __future__ import annotations

import json
import random
import time
from typing import Any, get_args

import numpy as np
import pytest

from chartreward.description import MAX_MARKS, MAX_POINTS, MAX_TEXTS, ChartDescription, MarkKind, TextRole
from chartreward.models import SignalUse
from chartreward.profiles.options import options_of
from tests.jail.conftest import SETTINGS
from worker import integrity
from worker.jail import frames, reply, verdict
from worker.jail.job import Facts
from worker.jail.zygote import Ended
from worker.similarity import SIGNALS, Chart, code
from worker.similarity.chartmimic import color_items

WIDTH, HEIGHT = 20, 10
MARK: dict[str, Any] = {"kind": "line", "axes": 0, "box": [0, 0, 9, 9], "colors": ["#ff0000"]}
TEXT: dict[str, Any] = {"string": "a", "role": "text", "box": [0, 0, 9, 9], "size": 10, "color": "#000000"}
AXIS: dict[str, Any] = {"limits": [0, 1]}
AXES: dict[str, Any] = {"box": [0, 0, WIDTH, HEIGHT], "x": AXIS, "y": AXIS}


def described(**more: Any) -> dict[str, Any]:
    return {"width": WIDTH, "height": HEIGHT, "dpi": SETTINGS.dpi, "figsize": [0.2, 0.1], **more}


def judged(
    head: dict[str, Any] | bytes, body: int = 3 * WIDTH * HEIGHT, *, kind: str = "code", partial: bool = False
) -> str:
    """The status that a job gets which sends this frame."""
    reader = frames.ResultReader(frames.new_token(), max_head=1 << 24, max_body=1 << 24)
    reader.head = bytearray(head if isinstance(head, bytes) else json.dumps(head).encode())
    reader.body, reader.started, reader.complete = np.zeros(body, np.uint8), True, True
    ended = Ended(status=0, cpu_s=0.1, peak_mb=100.0, strays=0, segments=0)
    facts = Facts(kind, ended, reader, None, None, 0, 11, 768, partial, 250.0)
    outcome, _ = verdict.judge(facts, SETTINGS)
    assert (outcome.pixels is None) == (outcome.description is None) or kind == "picture"
    assert outcome.exec_ms <= 250.0
    return outcome.status.value


GOOD = {"status": "ok", "width": WIDTH, "height": HEIGHT, "description": described()}
ERROR = {"type": "E", "message": "no"}


def test_what_the_harness_sends_is_taken() -> None:
    assert judged(GOOD) == "ok"
    assert judged({**GOOD, "exec_ms": 1e300, "draw_ms": 1e300}) == "ok"  # clipped to what the supervisor measured
    assert judged({"status": "runtime_error", "error": ERROR}, 0) == "runtime_error"
    assert judged({**GOOD, "status": "runtime_error", "error": ERROR}, partial=True) == "runtime_error"
    assert judged({"status": "runtime_error", "error": {**ERROR, "errno": 28}}, 0) == "output_limit"
    assert judged({"status": "runtime_error", "error": ERROR, "denied": "os.fork"}, 0) == "forbidden"
    assert judged({"status": "ok", "width": WIDTH, "height": HEIGHT}, kind="picture") == "ok"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ({**GOOD, "description": None}, 600),
        (GOOD, 0),
        (GOOD, 599),
        (GOOD, 603),
        ({**GOOD, "width": HEIGHT, "height": WIDTH}, 600),
        ({**GOOD, "width": 0}, 0),
        ({**GOOD, "width": 2**31, "height": 2**31}, 600),
        ({**GOOD, "description": described(width=WIDTH + 1)}, 600),
        ({**GOOD, "description": described(dpi=7200)}, 600),
        ({**GOOD, "error": ERROR}, 600),
        ({**GOOD, "denied": "x"}, 600),
        ({**GOOD, "escaped": []}, 600),
        ({**GOOD, "reward": 1.0}, 600),
        ({**GOOD, "status": "runtime_error", "error": ERROR}, 600),
        ({**GOOD, "status": "no_figure", "error": ERROR}, 0),
        ({"status": "no_figure"}, 0),
        ({"status": "timeout", "error": ERROR}, 0),
        ({"status": "worker_error", "error": ERROR}, 0),
        ({"status": "forbidden", "error": ERROR, "denied": "x"}, 0),
        ({"status": "ok", "escaped": []}, 0),
        ({"status": "runtime_error", "error": {**ERROR, "line": 10**30}}, 0),
        (b"", 0),
        (b"\xff\xfe", 0),
        (b"[" * 100_000, 0),
        (b'{"status":"ok","width":' + b"9" * 5000 + b"}", 0),
        (b'{"status":"ok","exec_ms":NaN}', 0),
    ],
    ids=str,
)
def test_a_reply_that_contradicts_itself_is_crashed(head: dict[str, Any] | bytes, body: int) -> None:
    assert judged(head, body) == "crashed"


@pytest.mark.parametrize(
    "claims",
    [
        {"marks": [MARK] * (MAX_MARKS + 1)},
        {"texts": [TEXT] * (MAX_TEXTS + 1)},
        {"marks": [{**MARK, "data": {"x": [0] * (MAX_POINTS + 1)}}]},
        {"marks": [{**MARK, "data": {"x": [0] * MAX_POINTS, "y": [0] * MAX_POINTS}}] * 101},
        {"marks": [{**MARK, "data": {str(name): [0] for name in range(9)}}]},
        {"marks": [{**MARK, "axes": -1}]},
        {"marks": [{**MARK, "box": [0, 0, 1e200, 1]}]},
        {"marks": [{**MARK, "colors": ["#FF0000"]}]},
        {"marks": [{**MARK, "count": 10**20}]},
        {"texts": [{**TEXT, "string": "x" * 4001}]},
        {"texts": [{**TEXT, "string": "x" * 4000}] * 501},
        {"calls": [{"name": "a", "colors": ["#zzzzzz"]}]},
        {"calls": [{"name": "a", "colors": ["#FFFFFF"] * 5000}] * 21},
        {"calls": [{"name": "a"}] * 30_001},
        {"text_lines": ["a"] * 20_001},
        {"unknown": 1},
        {str(name): 1 for name in range(200_000)},
        {"marks": [0] * 500_000},
        {"marks": [{**MARK, "data": {"x": [0] * 2_000_000}}]},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_a_description_beyond_its_bounds_is_crashed(claims: dict[str, Any]) -> None:
    assert judged({**GOOD, "description": described(**claims)}) == "crashed"


# --- what the worst valid description costs -----------------------------------------------------


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def floods(width: int, height: int) -> dict[str, dict[str, Any]]:
    """Valid descriptions of one picture, each as costly for one step as the schema lets it be."""
    rng = random.Random(1)

    def box() -> list[float]:
        return [rng.randrange(9), rng.randrange(9), width - rng.randrange(99), height - rng.randrange(99)]

    def color() -> str:
        return f"#{rng.randrange(1 << 24):06x}"

    plain = {"width": width, "height": height, "dpi": 100, "figsize": [width / 100, height / 100]}
    axes = {**AXES, "box": [0, 0, width, height]}
    many = {**axes, "x": {**AXIS, "ticks": list(range(50)), "ticklabels": ["a"] * 50}}
    column = [rng.random() for _ in range(MAX_POINTS)]
    return {
        "texts in large boxes": {
            **plain,
            "texts": [{**TEXT, "string": f"t{n}", "box": box(), "size": 5 + n % 90} for n in range(MAX_TEXTS)],
        },
        "marks of many colours": {
            **plain,
            "axes": [axes],
            "marks": [{**MARK, "box": box(), "colors": [color() for _ in range(20)]} for _ in range(MAX_MARKS)],
        },
        "marks of many values": {
            **plain,
            "axes": [axes],
            "marks": [
                {**MARK, "kind": kind, "box": box(), "data": {"x": column, "y": column}}
                for kind in ("line", "bar", "points", "area") * 24
            ],
        },
        "axes": {**plain, "axes": [many] * 1000, "marks": [{**MARK, "axes": n % 1000} for n in range(MAX_MARKS)]},
        "legends": {
            **plain,
            "legends": [{"box": [0, 0, 9, 9], "entries": [{"label": "x" * 999, "color": color()} for _ in range(1000)]}]
            * 5,
        },
        "calls": {
            **plain,
            "calls": [{"name": f"f{n % 3}", "colors": [f"map{n * 5000 + i}" for i in range(5000)]} for n in range(18)],
            "text_lines": ["x" * 100] * 20_000,
        },
        "extreme numbers": {
            **plain,
            "axes": [{**axes, "x": {"limits": [-1e150, 1e150], "scale": "log"}, "box": [-1e150, -1e150, 1e150, 1e150]}],
            "marks": [
                {**MARK, "kind": kind, "box": [-1e150, 0, 1e150, 1e150], "linewidth": 1e150, "data": data}
                for kind in get_args(MarkKind)
                for data in (
                    {"x": [1e150, -1e150, None], "y": [1e-300, 0, 1e150], "base": [1e150, 1, 2]},
                    {"theta1": [1e150], "theta2": [-1e150]},
                    {"value": [1e150, -1e150]},
                    {"x": [None], "y": [1]},
                    {"x": [], "y": [1]},
                )
            ],
            "texts": [
                {**TEXT, "role": role, "box": [-1e150, -1e150, 1e150, 1e150], "size": 1e150}
                for role in get_args(TextRole)
            ],
        },
    }


REFERENCE = {
    "axes": [AXES],
    "texts": [{**TEXT, "string": f"label {n}"} for n in range(40)],
    "marks": [{**MARK, "kind": kind, "data": {"x": [1, 2, 3], "y": [1, 2, 3]}} for kind in get_args(MarkKind)],
    "legends": [{"box": [0, 0, 9, 9], "entries": [{"label": "one"}, {"label": "two"}]}],
    "calls": [{"name": "f0", "colors": ["#FF0000", "viridis"]}],
    "text_lines": ["a"],
}
SCRIPT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"


QUICK = {"calls", "extreme numbers"}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in floods(1000, 1000)],
)
def test_the_worst_description_costs_bounded_work_and_no_error(name: str) -> None:
    """CPU seconds of this thread, not wall time: minutes without the bounds, a few seconds with them."""
    side = 2000
    pixels = noise(side, side)
    head = json.dumps({"status": "ok", "width": side, "height": side, "description": floods(side, side)[name]})
    reference = Chart(noise(HEIGHT, WIDTH), ChartDescription.model_validate(described(**REFERENCE)), SCRIPT)
    before = time.thread_time()
    claim = reply.read(head.encode()).description
    assert claim is not None
    checked, _ = integrity.check(claim, pixels)
    for description in (checked, claim):  # a profile may leave the check of the pixels out
        chart = Chart(pixels, description, SCRIPT)
        for signal in SIGNALS.values():
            value = signal(chart, reference, options_of(SignalUse(name=signal.name))).value
            assert value is not None, signal.name
            assert 0.0 <= value <= 1.0, signal.name
    assert time.thread_time() - before < 120


def test_integrity_stops_when_its_work_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    side = integrity.SMALLEST_CANVAS
    texts = [{**TEXT, "string": f"t{n}", "box": [n % 7, n % 5, side, side]} for n in range(50)]
    axes = [{**AXES, "box": [2, 2, side - 2, side - 2]}]
    claim = ChartDescription.model_validate(described(texts=texts, axes=axes) | {"width": side, "height": side})
    monkeypatch.setattr(integrity, "WORK", 1000)
    checked, found = integrity.check(claim, noise(side, side))
    assert {"one of too many"} <= {finding["why"] for finding in found.findings}
    assert not checked.axes[0].visible, "what the work does not reach is not taken for seen"
    monkeypatch.undo()
    checked, found = integrity.check(claim, noise(side, side))
    assert "one of too many" not in {finding["why"] for finding in found.findings}
    assert checked.axes[0].visible


@pytest.mark.parametrize(
    "text",
    [
        "'" + "\\'" * 100_000,
        '"' + '\\"' * 100_000,
        "'''" * 60_000 + "x",
        '"""x' * 50_000,
        "#" * 200_000,
        "b'" * 100_000,
        "\\" * 200_000,
        "1." * 100_000,
        "'\n" * 100_000,
        " " * 200_000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_reading_tokens_is_linear(text: str) -> None:
    """A hundred times the time of plain words at most; looking at each character again and again takes thousands."""
    began = time.thread_time()
    code.tokens("word " * 40_000)
    plain = time.thread_time() - began
    began = time.thread_time()
    code.tokens(text)
    assert time.thread_time() - began < 100 * max(plain, 0.01)


def test_tokens_of_a_real_script_are_what_python_says() -> None:
    text = 'x = f"a{b}c" + \'it\\\'s\'  # no\ny = """two\nlines""" + r\'\\d\'\n'
    assert code.tokens(text) == ["x", "=", 'f"a{b}c"', "+", "'it\\'s'", "y", "=", '"""two\nlines"""', "+", "r'\\d'"]
    assert code.tokens("'open\nx") == ["'open", "x"]


def test_colours_of_calls_are_filtered_in_one_pass_and_in_order() -> None:
    calls = [
        {"name": "f", "colors": ["#FF0000", "viridis", "#FE0000", "#00FF00", "jet", "#0000FF"]},
        {"name": "g", "colors": ["viridis", "#FF0000", "#FFFFFF", "#000000", "plasma", "#00FE00"]},
    ]
    claim = ChartDescription.model_validate(described(calls=calls))
    assert color_items(claim) == [
        ("f", "#FF0000"), ("f", "viridis"), ("f", "#00FF00"), ("f", "jet"), ("f", "#0000FF"),
        ("g", "#FFFFFF"), ("g", "#000000"), ("g", "plasma"),
    ]  # fmt: skip
