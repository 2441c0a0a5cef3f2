"""A worker's jails: opened in the background or when asked for, ready for the next job, closed together."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from worker.jail import JailError
from worker.jails import EngineError, Jails
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
RUNTIMES = {name: ROOT / ".runtimes" / name / "bin" / "python" for name in ("mpl38", "current")}


def zygotes() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if any(part.endswith("zygote.py") for part in one.cmdline())]


def test_one_that_is_opened_in_the_background_is_the_one_that_is_got() -> None:
    before = zygotes()
    jails = Jails(WorkerSettings(runtimes=RUNTIMES))
    try:
        jails.begin()
        jail = jails.get()
        assert jail is jails.get("mpl38")
        assert jails.level == jail.level == "full"
        assert len(zygotes()) == len(before) + 1
        jails.make_ready()
        assert jail.run("import matplotlib.pyplot as plt; plt.plot([1, 2])").status == "ok"
        with pytest.raises(EngineError, match="no runtime 'mpl37'; it has mpl38, current"):
            jails.get("mpl37")
    finally:
        jails.close()
    jails.close()
    assert zygotes() == before


def test_closing_while_it_opens_leaves_nothing() -> None:
    before = zygotes()
    jails = Jails(WorkerSettings(runtimes=RUNTIMES))
    jails.begin()
    jails.close()
    assert zygotes() == before


@pytest.mark.parametrize(
    ("runtimes", "error", "why"),
    [
        ({}, EngineError, "no runtime found"),
        ({"gone": Path("/nowhere/python")}, JailError, "/nowhere/python cannot be started"),
    ],
)
def test_what_went_wrong_in_the_background_is_told_to_who_asks(
    runtimes: dict[str, Path], error: type[Exception], why: str
) -> None:
    jails = Jails(WorkerSettings(runtimes=RUNTIMES).model_copy(update={"runtimes": runtimes}))
    jails.begin()
    with pytest.raises(error, match=why):
        jails.get()
    jails.close()
