"""Runs in a runtime's interpreter: one warm process that forks a child for each snippet, without the jail's locks.

Reads lines {"code", "options"}; answers lines {"reply", "pixels" (base64), "clean": which hooks were left behind}.
"""

import base64
import json
import os
import sys
import tempfile

sys.path.insert(0, sys.argv[1])
os.environ.update(TZ="UTC", LC_ALL="C.UTF-8", MPLBACKEND="Agg")
os.chdir(tempfile.mkdtemp(dir=sys.argv[2]))

import capture  # noqa: E402  # after its folder is on the path

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what snippets print goes to stderr


def hooked() -> list[str]:
    """Names of watched functions that are not matplotlib's own any more."""
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    watched = {"savefig": Figure.savefig, "init": Figure.__init__, "show": plt.show, "bar": Axes.bar}
    return [
        name
        for name, function in watched.items()
        if not function.__code__.co_filename.count("/site-packages/matplotlib/")
    ]


capture.warm("all")
answers.write("warm\n")
answers.flush()
for line in sys.stdin:
    request = json.loads(line)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            dumps = json.dumps
            reply, pixels = capture.execute(request["code"], request["options"])
            pixels = base64.b64encode(pixels or b"").decode()
            with os.fdopen(write, "w") as out:
                out.write(dumps({"reply": reply, "pixels": pixels, "hooked": hooked()}, allow_nan=False))
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    answers.write((answer or "null") + "\n")
    answers.flush()
