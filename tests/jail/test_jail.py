# ruff: noqa: E501 (code to run reads best on one line)
"""The supervisor: start, fail closed, limits, recycling, and zygotes that die or hang."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from chartreward.messages import Needs
from tests.jail.conftest import BENIGN, ROOT, RUNTIME, SETTINGS
from worker.jail import Jail, JailError, JailSettings, Outcome, Runtime, workdir, zygote


def pixels(outcome: Outcome) -> bytes:
    assert outcome.pixels is not None, outcome.error
    return outcome.pixels.tobytes()


def zygote_pid(jail: Jail) -> int:
    assert jail._zygote is not None
    return jail._zygote.pid


def test_a_warm_jail_is_full_and_says_what_it_is(jail: Jail) -> None:
    assert jail.level == "full"
    assert jail.self_test() == []
    assert jail.facts["versions"]["matplotlib"] == "3.8.4"
    assert jail.facts["seccomp"] is True
    process = psutil.Process(zygote_pid(jail))
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert status["NoNewPrivs"] == "1"
    assert status["CapInh"] == status["CapAmb"] == "0" * 16
    if os.geteuid() == 0:
        assert process.uids().real == process.uids().saved != 0
        assert int(status["CapBnd"], 16) == 0
        assert int(status["CapPrm"], 16) in {0, 1 << 2}  # nothing, or CAP_DAC_READ_SEARCH
        assert ("CAP_DAC_READ_SEARCH" in jail.facts["privileges"]) == (int(status["CapPrm"], 16) != 0)
    else:
        assert int(status["CapPrm"], 16) == 0


def test_pixels_and_description_of_one_chart(jail: Jail) -> None:
    outcome = jail.run(
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 2)); plt.plot([1, 2]); plt.title('Hello')"
    )
    assert outcome.status == "ok"
    assert outcome.pixels is not None
    assert outcome.pixels.shape == (200, 300, 3)
    assert outcome.pixels.dtype.name == "uint8"
    assert outcome.pixels.flags.c_contiguous
    assert outcome.description is not None
    assert "Hello" in [text.string for text in outcome.description.texts]
    assert outcome.exec_ms > 0
    assert outcome.draw_ms > 0
    assert outcome.peak_mb > 20


def test_the_random_generators_start_alike_in_every_job(jail: Jail) -> None:
    assert pixels(jail.run(BENIGN)) == pixels(jail.run(BENIGN))


def test_a_job_finds_only_the_fixed_environment(jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTREWARD_SECRET", "x")
    outcome = jail.run("import os; raise ValueError(' '.join(sorted(os.environ)))")
    assert outcome.error is not None
    assert set(outcome.error.message.split()) <= set(zygote.environment(Path("/"))) | {"TMPDIR"}
    assert "SECRET" not in outcome.error.message


def test_nothing_is_left_for_the_next_job(jail: Jail) -> None:
    spoil = "import os, sys, random, matplotlib as m, numpy as np, builtins\nopen('mark', 'w').write('x')\nos.environ['MARK'] = 'x'\n"
    spoil += "m.rcParams['axes.facecolor'] = 'red'; builtins.MARK = 1; sys.modules['mark'] = sys; np.pi = 3"
    assert jail.run(spoil).status == "no_figure"
    look = "import os, sys, numpy as np, matplotlib as m, builtins\n"
    look += "raise ValueError([os.listdir('.'), 'MARK' in os.environ, 'mark' in sys.modules, hasattr(builtins, 'MARK'), np.pi > 3.1, m.rcParams['axes.facecolor']])"
    outcome = jail.run(look)
    assert outcome.error is not None
    assert outcome.error.message == "[[], False, False, False, True, 'white']"


def test_time_and_memory_can_be_set_for_one_job(jail: Jail) -> None:
    start = time.monotonic()
    assert jail.run("while True: pass", timeout_s=0.3).status == "timeout"
    assert 0.3 <= time.monotonic() - start < 5
    code = "x = bytearray(200 * 2**20)\nimport matplotlib.pyplot as plt; plt.plot([1])"
    assert jail.run(code, memory_mb=128).status == "memory_limit"
    assert jail.run(code, memory_mb=512).status == "ok"


def test_a_job_with_many_threads_gets_one_core(jail: Jail) -> None:
    # hashlib lets go of the interpreter's lock: its threads would burn CPU faster than the wall clock runs.
    code = """
import hashlib, os, threading, time, matplotlib.pyplot as plt
data, until = bytes(10**7), time.monotonic() + 2
def work():
    while time.monotonic() < until: hashlib.sha256(data)
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
time.sleep(0.5)
try: os.sched_setaffinity(0, range(64))
except OSError as error: refused = error.errno
start, spent = time.monotonic(), time.process_time()
[thread.join() for thread in threads]
plt.title(f"{(time.process_time() - spent) / (time.monotonic() - start):.2f} {refused}")
"""
    outcome = jail.run(code)
    assert outcome.description is not None, outcome.error
    cores, refused = outcome.description.axes[0].title.split()
    assert 0.3 < float(cores) < 1.2
    assert refused == str(errno.EPERM), "it cannot take another"


def test_output_is_counted(jail: Jail) -> None:
    outcome = jail.run("import os; os.write(1, b'x' * 5000); os.write(2, b'y' * 70); 1/0")
    assert outcome.output_bytes == 5070


@pytest.mark.skipif(not (zygote.SANDBOXED / "calls.py").exists(), reason="the capture of calls is not there yet")
def test_needs_reach_the_capture(jail: Jail) -> None:
    outcome = jail.run("import matplotlib.pyplot as plt; plt.bar([1], [2])", needs=Needs(calls=True))
    assert outcome.description is not None
    assert outcome.description.calls is not None


def test_a_lone_surrogate_is_the_codes_fault(jail: Jail) -> None:
    assert jail.run("x = '\udc80'").status == "syntax_error"


@pytest.mark.timeout(600)  # three warm-ups
def test_a_lost_zygote_is_replaced_its_job_tried_again_and_close_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jail = Jail(RUNTIME, SETTINGS)
    jail.start()
    try:
        first = zygote_pid(jail)
        killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
        killer.start()
        outcome = jail.run("import time; time.sleep(1)\n" + BENIGN, timeout_s=60)
        killer.join()
        assert outcome.status == "ok"
        second = zygote_pid(jail)
        assert second != first
        with monkeypatch.context() as patched:
            patched.setattr(zygote, "_REPLY_TIMEOUT_S", 1.0)
            os.kill(second, signal.SIGSTOP)
            with contextlib.suppress(JailError):  # a machine so slow that the third does not answer in a second either
                assert jail.run(BENIGN, timeout_s=60).status == "ok"
        assert jail.run(BENIGN, timeout_s=60).status == "ok"
        assert zygote_pid(jail) not in {first, second}
        assert not psutil.pid_exists(second)
        assert jail._folder is not None
        folder, pid = jail._folder.path, zygote_pid(jail)
    finally:
        jail.close()
    jail.close()
    assert not folder.exists()
    assert not psutil.pid_exists(pid)
    with pytest.raises(JailError, match="not started"):
        jail.run(BENIGN)


@pytest.mark.slow
def test_the_same_failure_twice_is_ours_not_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    with Jail(RUNTIME, SETTINGS) as jail:

        def lost(*_: object) -> None:
            raise zygote.ZygoteLostError("as if the machine had no process left")

        monkeypatch.setattr(zygote.Zygote, "fork", lost)
        with pytest.raises(JailError, match="failed twice"):
            jail.run(BENIGN)
        monkeypatch.undo()
        assert jail.run(BENIGN).status == "ok"


@pytest.mark.slow
def test_zygotes_are_recycled_by_jobs() -> None:
    with Jail(RUNTIME, dataclasses.replace(SETTINGS, recycle_after=3)) as jail:
        pids = []
        for _ in range(5):
            assert jail.run("1/0").status == "runtime_error"
            pids.append(zygote_pid(jail))
        assert len(set(pids)) == 2  # the self-test was the first job of the first


@pytest.mark.slow
def test_zygotes_are_recycled_by_age() -> None:
    with Jail(RUNTIME, dataclasses.replace(SETTINGS, recycle_s=0.1)) as jail:
        first = zygote_pid(jail)
        time.sleep(0.2)
        assert jail.run("1/0").status == "runtime_error"
        assert zygote_pid(jail) != first


def sabotage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, line: str, instead: str) -> None:
    """Later jails run a copy of worker/sandboxed/ in which one line of a layer is replaced."""
    folder = tmp_path / "sandboxed"
    shutil.copytree(zygote.SANDBOXED, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    source = (folder / file).read_text()
    assert line in source
    (folder / file).write_text(source.replace(line, instead))
    for path in [*tmp_path.parents, tmp_path, folder, *folder.iterdir()]:
        if path.is_relative_to(tmp_path.parents[1]):
            path.chmod(0o755)
    monkeypatch.setattr(zygote, "SANDBOXED", folder)


GRANDCHILD = (
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(600)\n    os._exit(0)\n"
    "os.wait()\n"
)
FORKS_ON = "import os\nif os.fork() == 0:\n    while True:\n        if os.fork(): os._exit(0)\n"
SEGMENT = "import ctypes\nassert ctypes.CDLL(None).shmget(0, 12345, 0o1600) >= 0\n"


def processes_of(jail: Jail) -> list[psutil.Process]:
    """Every process that was forked from a zygote of this jail: they share its command line, which names its folder."""
    assert jail._folder is not None
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(jail._folder.path) in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.mark.parametrize(
    ("code", "left"),
    [
        pytest.param(GRANDCHILD + SEGMENT, "a process and shared memory", id="a daemon and shared memory"),
        pytest.param(FORKS_ON, "a process", id="processes that fork on", marks=pytest.mark.slow),
        pytest.param("import os; os.fork()\n", "a process", id="a child that draws, too", marks=pytest.mark.slow),
    ],
)
def test_what_a_job_leaves_behind_without_a_filter_is_noticed_and_ended(
    code: str, left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(tmp_path, monkeypatch, "lockdown.py", "if self.seccomp:", "if False:")
    with Jail(RUNTIME, dataclasses.replace(SETTINGS, reduced=True)) as jail:
        assert re.match("reduced: a jailed job can: .*fork", jail.level)
        assert [process.pid for process in processes_of(jail)] == [zygote_pid(jail)]
        uid = jail.facts["uid"]
        outcome = jail.run(code + BENIGN, timeout_s=30)
        assert outcome.status == "forbidden", outcome.error
        assert outcome.denied == f"leave {left} behind"
        assert processes_of(jail) == []  # the zygote was ended as well; the next job starts another
        assert segments(uid) == []


def segments(uid: int) -> list[str]:
    """What is left of SEGMENT's shared memory: that size, made by that user."""
    try:
        rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[1] for row in rows if row[3] == "12345" and row[9] == str(uid)]


def test_no_description_of_a_file_is_shared_by_two_jobs(jail: Jail) -> None:
    flags = "import fcntl, os\nbefore = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in range(4)]\n"
    mark = "for fd in range(3): fcntl.fcntl(fd, fcntl.F_SETFL, before[fd] ^ (os.O_NONBLOCK | os.O_APPEND))\n"
    first = jail.run(flags + mark + "raise ValueError(before)")
    second = jail.run(flags + "raise ValueError(before)")
    assert first.error is not None
    assert second.error is not None
    assert first.error.message == second.error.message != ""


def test_no_writable_memory_is_shared_with_the_zygote(jail: Jail) -> None:
    maps = Path(f"/proc/{zygote_pid(jail)}/maps").read_text().splitlines()
    assert len(maps) > 100
    assert [line for line in maps if line.split()[1].startswith("rw") and line.split()[1].endswith("s")] == []


@pytest.mark.parametrize(
    ("layer", "sabotaged", "hole"),
    [
        pytest.param(
            ("lockdown.py", "if self.abi:"), "if False:", "list a folder outside", marks=pytest.mark.slow, id="Landlock"
        ),
        (("lockdown.py", "if self.seccomp:"), "if False:", "connect over TCP|send over UDP|fork"),
        pytest.param(
            ("lockdown.py", "os.closerange(RESULT_FD + 1, 1 << 20)"),
            "pass",
            "use an inherited descriptor",
            marks=pytest.mark.slow,
            id="descriptors",
        ),
        pytest.param(
            ("limits.py", "(resource.RLIMIT_AS, address_space() + memory_bytes),"),
            "",
            "grow past the memory limit",
            marks=pytest.mark.slow,
            id="limits",
        ),
    ],
)
def test_a_missing_layer_is_found_and_refused(
    layer: tuple[str, str], sabotaged: str, hole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, line = layer
    sabotage(tmp_path, monkeypatch, file, line, sabotaged)
    with pytest.raises(JailError, match=hole), Jail(RUNTIME, SETTINGS):
        pass
    if file == "limits.py":
        with Jail(RUNTIME, dataclasses.replace(SETTINGS, reduced=True)) as jail:
            assert jail.level == f"reduced: a jailed job can: {hole}"
            assert jail.run(BENIGN).status == "ok"


def test_a_runtime_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(JailError, match="cannot be started"):
        Jail(Runtime("none", tmp_path / "python"), SETTINGS).start()
    bare = Runtime("bare", Path(sys.base_prefix) / "bin" / "python3")
    with pytest.raises(JailError, match=r"did not become warm[\s\S]*No module named"):
        Jail(bare, SETTINGS).start()


def test_a_killed_supervisor_takes_zygote_and_job_along(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from worker.jail import *\n"
        f"jail = Jail(Runtime('mpl38', Path({str(RUNTIME.python)!r})), JailSettings(work_root=Path({str(tmp_path)!r})))\n"
        "jail.start(); print(jail._zygote.pid, flush=True); jail.run('while True: pass', timeout_s=60)"
    )
    if os.geteuid() == 0:
        for path in (tmp_path, *tmp_path.parents):
            if path.is_relative_to(tmp_path.parents[1]):
                path.chmod(0o755)
    supervisor = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    process = psutil.Process(int(supervisor.stdout.readline()))
    deadline = time.monotonic() + 20
    while not (children := process.children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    _, alive = psutil.wait_procs([process, *children], timeout=10)
    alive = [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert alive == []
    assert [path.name[:16] for path in tmp_path.iterdir()] == ["chartreward-jail"]
    workdir.WorkFolder(tmp_path, None).close()  # the next jail removes what the dead one left
    assert list(tmp_path.iterdir()) == []


def test_a_work_tree_of_any_depth_is_removed(tmp_path: Path) -> None:
    folder = workdir.WorkFolder(tmp_path, None)
    work = folder.new_work()
    here = work
    for _ in range(500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    os.symlink("/etc", "link", dir_fd=here)
    os.close(here)
    folder.clear_work()
    assert folder.leftovers() == []
    assert Path("/etc/passwd").exists()
    folder.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_jails_of_different_runtimes_run_side_by_side(jail: Jail) -> None:
    current = Runtime("current", ROOT / ".runtimes" / "current" / "bin" / "python")
    with Jail(current, JailSettings()) as other:
        assert other.level == "full"
        assert other.run(BENIGN).status == "ok"
        assert other.facts["versions"]["matplotlib"] != jail.facts["versions"]["matplotlib"]
        with contextlib.suppress(OSError):
            assert other.run("open('/etc/passwd')").status == "forbidden"
