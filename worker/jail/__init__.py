"""The trusted side of the sandbox.

with Jail(Runtime("mpl38", Path(".runtimes/mpl38/bin/python")), JailSettings()) as jail:
    outcome = jail.run("import matplotlib.pyplot as plt; plt.plot([1, 2])")
"""

from worker.jail.jail import JAIL_VERSION, Jail
from worker.jail.outcome import Outcome
from worker.jail.settings import JailError, JailSettings, Libraries, Runtime

__all__ = ["JAIL_VERSION", "Jail", "JailError", "JailSettings", "Libraries", "Outcome", "Runtime"]
