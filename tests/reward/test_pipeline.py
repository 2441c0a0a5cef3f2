"""The engine end to end, with a real jail and a real backbone."""

from __future__ import annotations

import base64
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import ItemResult, Limits, Reference, Returnable, Status
from chartreward.profiles import find_profile
from worker.jail import JailError
from worker.pipeline import Engine

CHART = """
import matplotlib.pyplot as plt
plt.bar(["a", "b", "c"], [3, 4, 5], color=["r", "g", "b"])
plt.title("Sales")
plt.show()
"""


def score(
    engine: Engine,
    *codes: str,
    reference: Reference | None = None,
    profile: str = "chartsimrl",
    returns: list[Returnable] | None = None,
    limits: Limits | None = None,
) -> list[ItemResult]:
    chosen = reference or Reference(code=CHART)
    chunk = WorkChunk(
        items=[WorkItem(key=str(index), code=code) for index, code in enumerate(codes)],
        reference=hashlib.sha256(chosen.model_dump_json().encode()).hexdigest(),
        profile=find_profile(profile),
        runtime="mpl38",
        limits=limits or Limits(),
        returns=returns or [],
    )
    return [result for _, result in engine.score(chunk, chosen)]


def png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_same_chart_is_the_maximum_and_bit_identical(engine: Engine) -> None:
    first, second = score(engine, CHART)[0], score(engine, CHART + "\n# again")[0]
    assert first.reward == pytest.approx(2.0, abs=1e-6) and first.normalized == pytest.approx(1.0, abs=1e-6)
    assert first.reward == second.reward
    assert first.signals["attributes"].value == 1.0
    backbone = first.signals["visual.efficientnet_lite0"]
    assert backbone.layers is not None and len(backbone.layers) == 4
    assert first.weights is not None and first.weights.startswith("efficientnet_lite0:57934424")
    assert first.profile == "chartsimrl@1" and first.runtime == "mpl38" and first.engine


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("1/0", Status.RUNTIME_ERROR),
        ("plt.bar(", Status.SYNTAX_ERROR),
        ("x = 1", Status.NO_FIGURE),
        ("while True: pass", Status.TIMEOUT),
    ],
)
def test_failures_carry_the_failure_reward(engine: Engine, code: str, status: Status) -> None:
    (result,) = score(engine, code, limits=Limits(timeout_s=1.5))
    assert result.status is status and result.reward == 0.0 and result.normalized == 0.0
    assert result.error is not None and result.error.message
    assert result.signals == {}


def test_a_worse_chart_earns_less(engine: Engine) -> None:
    good, recoloured, other = score(
        engine,
        CHART,
        CHART.replace('["r", "g", "b"]', '["k", "k", "k"]'),
        "import matplotlib.pyplot as plt\nplt.plot([1, 9, 2])\nplt.show()",
    )
    assert good.reward is not None and recoloured.reward is not None and other.reward is not None
    assert good.reward > recoloured.reward > other.reward > 0


def test_a_blank_figure_is_ok_and_earns_nothing(engine: Engine) -> None:
    (result,) = score(engine, "import matplotlib.pyplot as plt\nplt.figure()\nplt.show()")
    assert result.status is Status.OK and result.blank and result.reward == 0.0


def test_a_reference_as_a_picture(engine: Engine) -> None:
    pictures: dict[str, bytes] = {}
    engine.renders = pictures.__setitem__
    (rendered,) = score(engine, CHART, returns=["render"])
    engine.renders = None
    assert rendered.render is not None
    name, data = next(iter(pictures.items()))
    assert rendered.render.url == f"/v1/renders/{name}.png" and hashlib.sha256(data).hexdigest() == name
    reference = Reference(image=base64.b64encode(data).decode())
    (result,) = score(engine, CHART, reference=reference)
    assert result.status is Status.OK
    assert result.signals["attributes"].value is None and result.signals["attributes"].unavailable
    assert result.signals["attributes"].weight == 0.0 and result.signals["visual.efficientnet_lite0"].weight == 2.0
    assert result.reward == pytest.approx(2.0, abs=1e-6)


LABELLED = """
import matplotlib.pyplot as plt
fig, axes = plt.subplots(1, 2, figsize=(9, 4))
axes[0].bar(["North", "South", "East"], [3, 7, 5], color="#2ca02c")
axes[0].set_title("Quarterly results")
axes[0].set_ylabel("Million euros")
axes[1].plot([1, 2, 3], [2, 4, 3], color="#d62728")
axes[1].set_title("Trend of the year")
fig.tight_layout()
plt.show()
"""


def test_the_writing_and_the_axes_of_a_picture_are_read(engine: Engine) -> None:
    pictures: list[bytes] = []
    engine.renders = lambda _, data: pictures.append(data)
    score(engine, LABELLED, returns=["render"], reference=Reference(code=LABELLED))
    engine.renders = None
    renamed = LABELLED.replace("Quarterly results", "Rainfall in Peru").replace("Million euros", "Days")
    one_plot = LABELLED.replace("plt.subplots(1, 2", "plt.subplots(2, 2").replace("axes[", "axes[0, ")
    right, wrong, moved = score(
        engine,
        LABELLED,
        renamed,
        one_plot,
        reference=Reference(image=base64.b64encode(pictures[0]).decode()),
        profile="fidelity",
        returns=["evidence"],
    )
    assert right.reward is not None and wrong.reward is not None and moved.reward is not None
    assert right.reward > 0.93 and right.reward > wrong.reward and right.reward > moved.reward
    text, layout = right.signals["text"], right.signals["layout"]
    assert text.value is not None and text.value > 0.85 and text.evidence and text.evidence["source"] == "ocr"
    assert "Million euros" in [theirs for _, theirs, _ in text.evidence["pairs"]]
    assert (
        layout.value is not None and layout.value > 0.95 and layout.evidence and layout.evidence["source"] == "pixels"
    )
    assert (moved.signals["layout"].value or 0) < 0.6
    lost = {"attributes", "data", "axes", "chart_type", "text.title"}
    assert {name for name, signal in right.signals.items() if signal.unavailable} == lost
    assert sum(signal.weight for signal in right.signals.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "reference",
    [
        Reference(code="1/0"),
        Reference(code="x = 1"),
        Reference(image="!!!"),
        Reference(image=base64.b64encode(b"GIF89a nonsense").decode()),
    ],
)
def test_a_bad_reference_is_nobodys_reward(engine: Engine, reference: Reference) -> None:
    results = score(engine, CHART, CHART, reference=reference)
    assert [result.status for result in results] == [Status.BAD_REFERENCE] * 2
    assert all(result.reward is None and result.normalized is None and result.error for result in results)


def test_a_picture_cannot_serve_a_profile_of_attributes_alone(engine: Engine) -> None:
    reference = Reference(image=png(np.random.default_rng(0).integers(0, 255, (80, 120, 3), dtype=np.uint8)))
    (result,) = score(engine, CHART, reference=reference, profile="plot2code-text")
    assert result.status is Status.BAD_REFERENCE and result.error is not None
    assert "plot2code.text" in result.error.message


def test_our_own_failure_is_never_a_reward(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise JailError("the zygote died")

    score(engine, CHART)  # the reference is known from here on
    monkeypatch.setattr(engine._jails.get("mpl38"), "run", broken)
    (result,) = score(engine, CHART + "\n# unseen")
    assert result.status is Status.WORKER_ERROR and result.reward is None
    assert result.error is not None and "zygote" in result.error.message


def test_partial_figures_only_for_profiles_that_want_them(engine: Engine) -> None:
    broken = CHART.replace("plt.show()", "1/0")
    (strict,) = score(engine, broken)
    assert strict.status is Status.RUNTIME_ERROR and strict.reward == 0.0
    (lenient,) = score(engine, broken, profile="chartmimic")
    assert lenient.status is Status.RUNTIME_ERROR and lenient.reward is not None and lenient.reward > 0.9
    assert lenient.error is not None and lenient.error.type == "ZeroDivisionError"


def test_evidence_only_on_request(engine: Engine) -> None:
    (plain,) = score(engine, CHART)
    assert all(signal.evidence is None for signal in plain.signals.values()) and plain.integrity.findings is None
    (full,) = score(engine, CHART, returns=["evidence", "description"])
    assert (
        full.signals["attributes"].evidence and full.description is not None and full.reference_description is not None
    )


def test_an_operator_sets_every_limit(engine: Engine) -> None:
    tight = {
        "max_figures": 2,
        "max_output_kb": 1,
        "max_work_mb": 1,
        "max_work_files": 8,
        "max_threads": 4,
        "max_open_files": 32,
    }
    wait = "\nimport time; time.sleep(9)\n"
    codes = {
        "plt.figure(); plt.figure()": Status.FIGURE_TOO_LARGE,
        f"print('x' * 20_000){wait}": Status.OUTPUT_LIMIT,
        f"for n in 'ab': open(n, 'wb').write(bytes(700_000)){wait}": Status.OUTPUT_LIMIT,
        f"for n in range(20): open(str(n), 'w').close(){wait}": Status.OUTPUT_LIMIT,
        f"import threading, time\nfor _ in range(8): threading.Thread(target=time.sleep, args=(9,)).start(){wait}": (
            Status.FORBIDDEN
        ),
        "fs = [open('/dev/null') for _ in range(40)]": Status.FORBIDDEN,
    }
    made = Engine(engine.settings.model_copy(update=tight))
    made.start()
    try:
        results = score(made, CHART, *(CHART + code for code in codes))
    finally:
        made.close()
    assert [result.status for result in results] == [Status.OK, *codes.values()]
