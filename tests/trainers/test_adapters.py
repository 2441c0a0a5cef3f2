"""The adapters, called as each trainer calls them: restated from their code (test_contracts.py runs the originals)."""

import asyncio
import inspect
import math
import pickle
import sys
import types
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from misbehaving import Fault, Misbehaving

from chartreward.errors import UnavailableError
from chartreward.models import ItemResult, SignalResult, Status
from chartreward.trainers import areal, easyr1, verifiers, verl
from chartreward.trainers.recipe import Recipe
from chartreward.trainers.trl import async_chart_reward, chart_reward

REFERENCE = "import matplotlib"
TEXTS = [f"```python\nimport x\nreward = 0.{number}\n```" for number in (1, 2, 3)]
EXPECTED = [0.1, 0.2, 0.3]
pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def failing(service: Misbehaving) -> None:
    """The second item always fails on the service's side."""
    service.always = lambda: Fault(worker_errors=1)


def trl_call(function: object, log: dict[str, float]) -> list[float | None]:
    return function(
        prompts=["draw"] * 3,
        completions=[[{"role": "assistant", "content": text}] for text in TEXTS],
        completion_ids=[[1]] * 3,
        reference=[REFERENCE] * 3,
        image=[object()] * 3,
        trainer_state=object(),
        log_extra=lambda column, values: None,
        log_metric=lambda name, value: log.update({name: value}),
    )


def test_trl() -> None:
    log: dict[str, float] = {}
    assert trl_call(chart_reward(), log) == EXPECTED
    assert set(log) == {f"chart/{name}" for name in ("attributes", "visual", "executed", "normalized", "infra_failure")}
    assert log["chart/executed"] == 1.0 and log["chart/normalized"] == pytest.approx(0.2)


def test_trl_async() -> None:
    function = async_chart_reward(name="mine")
    assert inspect.iscoroutinefunction(function) and function.__name__ == "mine"
    assert asyncio.run(trl_call(function, {})) == EXPECTED


@pytest.mark.usefixtures("failing")
def test_trl_masks_what_the_service_failed_on() -> None:
    log: dict[str, float] = {}
    assert trl_call(chart_reward(), log) == [None, 0.2, 0.3]
    assert log["chart/infra_failure"] == pytest.approx(1 / 3)
    assert log["chart/normalized"] == pytest.approx(0.25), "not dragged down by the one without a reward"
    with pytest.raises(UnavailableError):
        trl_call(chart_reward(on_failure="raise"), {})


def test_trl_names_a_missing_column() -> None:
    with pytest.raises(KeyError, match="no column 'label'"):
        trl_call(chart_reward(label="label"), {})


def verl_call(text: str, **given: object) -> dict[str, float]:
    return asyncio.run(verl.compute_score("charts", text, REFERENCE, {"num_turns": None}, **given))


def test_verl_has_the_same_numeric_keys_whatever_happens(service: Misbehaving) -> None:
    good, bad = verl_call(TEXTS[0]), verl_call("I cannot.")
    service.always = lambda: Fault(worker_errors=1)
    failed = verl_call(TEXTS[1], on_failure=-1)
    assert (good["score"], bad["score"], failed["score"]) == (0.1, 0.0, -1.0)
    assert good.keys() == bad.keys() == failed.keys()
    assert all(isinstance(v, float) and math.isfinite(v) for one in (good, bad, failed) for v in one.values())
    assert (good["infra_failure"], failed["infra_failure"]) == (0.0, 1.0)
    with pytest.raises(UnavailableError):
        verl_call(TEXTS[1])


def test_easyr1() -> None:
    samples = [{"response": text, "response_length": 3, "ground_truth": REFERENCE} for text in TEXTS]
    scores = easyr1.compute_score(samples)
    assert [score["overall"] for score in scores] == EXPECTED
    assert len({tuple(score) for score in scores}) == 1


def test_areal_in_its_process_pool() -> None:
    assert pickle.loads(pickle.dumps(areal.chart_reward)) is areal.chart_reward
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        calls = [pool.submit(areal.chart_reward, "draw", text, [1], [2], answer=REFERENCE) for text in TEXTS]
        assert [call.result(timeout=60) for call in calls] == EXPECTED


def test_ms_swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """With SWIFT's two base classes restated: it does not import without torch and transformers of its own."""
    rewards = types.ModuleType("swift.rewards")
    rewards.ORM, rewards.AsyncORM, rewards.orms = type("ORM", (), {}), type("AsyncORM", (), {}), {}
    monkeypatch.setitem(sys.modules, "swift", types.ModuleType("swift"))
    monkeypatch.setitem(sys.modules, "swift.rewards", rewards)
    monkeypatch.delitem(sys.modules, "chartreward.trainers.ms_swift", raising=False)
    import chartreward.trainers.ms_swift  # noqa: F401

    columns = {"solution": [REFERENCE] * 3, "messages": [[]] * 3, "trainer_state": None}
    assert rewards.orms["chartreward"]()(TEXTS, **columns) == EXPECTED
    asynchronous = rewards.orms["chartreward_async"]()
    assert inspect.iscoroutinefunction(type(asynchronous).__call__)
    for _ in range(2):  # a new loop each step
        assert asyncio.run(asynchronous(TEXTS, **columns)) == EXPECTED


def test_verifiers() -> None:
    class Trace:
        last_reply = TEXTS[1]
        metrics: dict[str, float]

        def record_metrics(self, values: dict[str, float]) -> None:
            self.metrics = values

    trace = Trace()
    assert asyncio.run(verifiers.score_trace(trace, REFERENCE)) == 0.2
    assert trace.metrics["chart_executed"] == 1.0


def test_verifiers_rubric() -> None:
    (reward, *metrics), weights = verifiers.rubric_functions()
    state: dict[str, object] = {}
    completion = [{"role": "assistant", "content": TEXTS[2]}]
    assert asyncio.run(reward(completion=completion, answer=REFERENCE, state=state)) == 0.3
    assert weights == [1.0, *[0.0] * len(metrics)] and "error" not in state
    assert {metric.__name__: metric(state=state) for metric in metrics}["chart_executed"] == 1.0


@pytest.mark.usefixtures("failing")
def test_verifiers_keep_what_the_service_failed_on() -> None:
    (reward, *metrics), _ = verifiers.rubric_functions()
    state: dict[str, object] = {}
    with pytest.raises(UnavailableError):
        asyncio.run(reward(completion=TEXTS[0], answer=REFERENCE, state=state))
    assert isinstance(state["error"], UnavailableError)
    assert {metric.__name__: metric(state=state) for metric in metrics}["chart_infra_failure"] == 1.0


def test_signals_as_metrics() -> None:
    recipe = Recipe.of(profile="chartsimrl")
    signals = {"attributes": SignalResult(value=0.5), "visual.resnet18": SignalResult(value=0.25)}
    result = ItemResult(status=Status.OK, reward=0.75, normalized=0.375, signals=signals)
    assert recipe.metrics(result) == {
        "normalized": 0.375,
        "executed": 1.0,
        "infra_failure": 0.0,
        "attributes": 0.5,
        "visual": 0.25,
    }
