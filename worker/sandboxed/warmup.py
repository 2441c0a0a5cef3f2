"""Code run before any job: figures that load what is loaded late, and charts that stand for what jobs will draw."""

_CORE = """
import datetime, math, json, itertools, collections, re, string, textwrap, io, base64, calendar, colorsys, decimal
import matplotlib.cm, matplotlib.colors, matplotlib.dates, matplotlib.gridspec, matplotlib.lines, matplotlib.patches
import matplotlib.patheffects, matplotlib.ticker, matplotlib.tri, matplotlib.transforms, matplotlib.offsetbox
import matplotlib.sankey, matplotlib.table, matplotlib.path, matplotlib.animation, matplotlib.style, matplotlib.image
import mpl_toolkits.axes_grid1, mpl_toolkits.axes_grid1.inset_locator, mpl_toolkits.mplot3d.art3d
import numpy as np
import matplotlib.pyplot as plt
from mpl_toolkits.mplot3d import Axes3D
fig, ax = plt.subplots(2, 3, figsize=(9, 6))
a, b, c, d, e, f = ax.flat
a.plot([1, 2], label="$x^2$ $\\\\mu$"); a.legend(title="t"); a.set_title("bold", fontweight="bold")
a.annotate("a", (0, 1))
a.set_ylabel("italic", style="italic"); a.set_yscale("log"); a.text(0, 1.5, "mono", family="monospace"); a.grid(True)
a.text(0, 1.2, "serif", family="serif"); a.text(0, 1.3, "both", style="italic", weight="bold")
b.bar(["a", "b"], [1, 2], hatch="/"); b.errorbar([0, 1], [1, 2], yerr=0.1)
m = c.scatter([1, 2], [1, 2], c=[1, 2]); fig.colorbar(m, ax=c)
d.pie([1, 2], labels=["a", "b"], autopct="%1.1f%%")
e.imshow(np.eye(3)); e.contourf(np.outer(np.arange(3), np.arange(3)))
f.plot([datetime.datetime(2020, 1, day) for day in (1, 2, 3)], [1, 2, 3]); f.boxplot([1, 2, 3]); f.violinplot([1, 2, 3])
f.hist([1, 2, 3]); f.fill_between([0, 1], [0, 1]); f.table([["x"]])
fig.autofmt_xdate()
plt.tight_layout()
plt.savefig("x.png", bbox_inches="tight")
fig = plt.figure(layout="constrained")
p = fig.add_subplot(121, projection="polar"); p.plot([0, 1], [1, 2])
q = fig.add_subplot(122, projection="3d"); q.bar3d(0, 0, 0, 1, 1, 1); q.plot_surface(*np.mgrid[:3, :3], np.eye(3))
plt.savefig("x.png")
"""
_BEYOND = """
import matplotlib.pyplot as plt
import numpy as np, pandas as pd, scipy.stats, scipy.interpolate, scipy.ndimage, scipy.optimize
import scipy.cluster.hierarchy, scipy.spatial
import seaborn as sns, networkx as nx, squarify
from matplotlib_venn import venn2, venn3
plt.plot(pd.date_range("2020-01-01", periods=3), [1, 2, 3])
plt.savefig("x.png")
fig, ax = plt.subplots(2, 2)
frame = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 1, 4, 3], "c": list("xyxy")})
sns.set_style("whitegrid")
sns.barplot(frame, x="c", y="a", ax=ax[0, 0]); sns.heatmap(frame[["a", "b"]], annot=True, ax=ax[0, 1])
sns.kdeplot(frame["a"], ax=ax[1, 0]); sns.boxplot(frame, x="c", y="b", ax=ax[1, 0])
sns.regplot(frame, x="a", y="b", ax=ax[1, 0])
sns.violinplot(frame, x="c", y="b", ax=ax[1, 0]); frame.plot(ax=ax[1, 1]); frame["a"].plot.bar(ax=ax[1, 1])
nx.draw(nx.path_graph(3), with_labels=True, ax=ax[1, 1])
squarify.plot([1, 2], ax=ax[1, 0])
venn2((1, 2, 1), ax=ax[0, 0])
plt.show()
"""
# In the process that is forked, so that fonts, mathtext and late imports are loaded in it.
WARM_UP = {"core": (_CORE,), "all": (_CORE, _BEYOND)}

# In forks of it, which show what memory a job writes to.
TYPICAL = (
    """
import matplotlib.pyplot as plt
import numpy as np
x = np.linspace(0, 10, 50)
fig, ax = plt.subplots(figsize=(8, 5))
for number, marker in enumerate("os^"):
    ax.plot(x, np.sin(x) + number, marker=marker, linestyle="--", label=f"Series {number}")
ax.set_xlabel("Time (s)", fontsize=12); ax.set_ylabel("Amplitude"); ax.set_title("Measured over time", fontsize=14)
ax.legend(loc="upper right"); ax.grid(True, alpha=0.3)
plt.tight_layout()
plt.show()
""",
    """
import matplotlib.pyplot as plt
import numpy as np
names, width = ["Alpha", "Beta", "Gamma", "Delta"], 0.35
x = np.arange(len(names))
fig, ax = plt.subplots(figsize=(10, 6))
for number, color in enumerate(("#4C72B0", "#DD8452")):
    bars = ax.bar(x + number * width, [3.5, 4.2, 5.1, 2.8], width, label=f"Year {number}", color=color, edgecolor="k")
    for bar in bars:
        ax.text(bar.get_x() + bar.get_width() / 2, bar.get_height(), f"{bar.get_height():.1f}", ha="center")
ax.set_xticks(x); ax.set_xticklabels(names, rotation=45); ax.set_ylim(0, 6); ax.legend()
plt.savefig("x.png", dpi=300, bbox_inches="tight")
""",
)
