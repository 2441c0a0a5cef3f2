"""A worker's jails: opened in the background or when asked for, ready for the next job, closed together."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from chartreward.messages import Needs
from worker.jail import Jail, JailError, JailSettings, Libraries, Runtime
from worker.jails import EngineError, Jails, libraries_for
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
RUNTIMES = {name: ROOT / ".runtimes" / name / "bin" / "python" for name in ("mpl38", "current")}


LOADED = """
import sys, matplotlib.pyplot as plt
plt.title(sorted({"pandas", "scipy", "seaborn"} & set(sys.modules)))
"""


# A module of the code's own that may be watched, and then refuses to be left alone.
REFUSES = """
import sys, types
class Module(types.ModuleType):
    def draw_networkx_nodes(self): pass
    def __delattr__(self, name): raise RuntimeError("no")
sys.modules["net" + "workx"] = Module("net" + "workx")
plt.bar([1], [2])
load("squari" + "fy").plot
"""


def zygotes() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if any(part.endswith("zygote.py") for part in one.cmdline())]


def test_one_that_is_opened_in_the_background_is_the_one_that_is_got() -> None:
    before = zygotes()
    jails = Jails(WorkerSettings(runtimes=RUNTIMES))
    try:
        jails.begin(Libraries.CORE)
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


def test_code_gets_the_jail_that_has_its_libraries_loaded() -> None:
    jails = Jails(WorkerSettings(runtimes=RUNTIMES))
    try:
        core = jails.get(code="import matplotlib.pyplot as plt; plt.plot([1])")
        jails.begin(Libraries.ALL)
        everything = jails.get(code="import pandas as pd")
        assert (core.runtime.libraries, everything.runtime.libraries) == (Libraries.CORE, Libraries.ALL)
        assert everything is jails.get("mpl38", "from scipy import stats")
        assert core is jails.get("mpl38", "import math")
        assert jails.level == "full"
        drawn = [jail.run(LOADED).description for jail in (core, everything)]
        assert [one and one.axes[0].title for one in drawn] == ["[]", "['pandas', 'scipy', 'seaborn']"]
    finally:
        jails.close()


HIDDEN = {
    "networkx": "nx = load('networkx'); nx.draw(nx.path_graph(4), {n: (n, n % 2) for n in range(4)}, node_color='red')",
    "squarify": "load('squarify').plot([3, 2, 1], color=['red', 'green', 'blue'])",
    "venn": "load('matplotlib_venn').venn2((1, 2, 1), set_colors=('red', 'blue'))",
    "seaborn": "load('seaborn').barplot(x=['a', 'b'], y=[1, 2]); plt.plot([0, 1], [1, 2])",
    "pandas": "load('pandas').DataFrame({'a': [1, 2, 3]}).plot.bar(ax=plt.gca())",
    "none": "plt.bar(['a', 'b'], [1, 2]); plt.gca().add_patch(plt.Circle((0, 0), 1)); plt.scatter([1], [1], c='red')",
}


@pytest.mark.parametrize("runtime", ["mpl38", pytest.param("current", marks=pytest.mark.slow)])
def test_what_is_loaded_beforehand_changes_no_picture_and_no_description(runtime: str) -> None:
    """Nor what is known of calls: a package that the code is the first to import is watched too."""
    jails = [Jail(Runtime(runtime, RUNTIMES[runtime], libraries), JailSettings()) for libraries in Libraries]
    load = "import importlib, matplotlib.pyplot as plt\nload = lambda name: importlib.import_module(name)\n"
    try:
        for jail in jails:
            jail.start()
        for name, code in HIDDEN.items():
            hidden = load + code.replace("venn')", "' + 'venn')").replace("load('", "load('' + '")
            core, everything = (jail.run(hidden, needs=Needs(calls=True)) for jail in jails)
            assert core.status == everything.status == "ok", (name, core.error, everything.error)
            assert core.pixels is not None
            assert everything.pixels is not None
            assert core.pixels.tobytes() == everything.pixels.tobytes(), name
            assert core.description == everything.description, name
            assert core.description is not None
            assert core.description.calls, f"{name}: its calls are seen"
        unasked = "import matplotlib.pyplot as plt; plt.imshow([[1]], cmap='rocket')"  # a colormap of seaborn's
        assert jails[0].run(unasked).status == "runtime_error"
        assert jails[0].run(f"{load}load('sea' + 'born')\n{unasked}").status == "ok"
        refused = jails[0].run(load + REFUSES, needs=Needs(calls=True))
        assert refused.status == "ok", refused.error
        assert refused.description is not None
        assert [call.name for call in refused.description.calls or []][:1] == ["matplotlib/__init__.py bar"]
    finally:
        for jail in jails:
            jail.close()


def test_only_the_text_decides() -> None:
    assert libraries_for("import numpy as np") is Libraries.CORE
    for name in ("pandas", "scipy", "seaborn", "networkx", "squarify", "matplotlib_venn", "sklearn"):
        assert libraries_for(f"from {name} import x") is Libraries.ALL


def test_closing_while_it_opens_leaves_nothing() -> None:
    before = zygotes()
    jails = Jails(WorkerSettings(runtimes=RUNTIMES))
    jails.begin(Libraries.CORE)
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
    jails.begin(Libraries.CORE)
    with pytest.raises(error, match=why):
        jails.get()
    jails.close()
