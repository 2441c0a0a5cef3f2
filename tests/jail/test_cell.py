"""A process made ready before its job is known: locked, used once, and never for a job that it does not fit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.jail.conftest import BENIGN, LEARN_AFTER, RUNTIME, SETTINGS
from tests.jail.hostile import FORGE, PRELUDE
from worker.jail import Jail, Outcome

# A message of this kind tells the process id of the job.
WHO = "import os\nraise ValueError(os.getpid())"


@pytest.fixture
def warm(jail: Jail) -> Iterator[Jail]:
    for _ in range(LEARN_AFTER + 1):  # a fresh zygote then learns from children of its own
        jail.run(BENIGN)
    yield jail
    jail.run(BENIGN)  # takes what the test left ready
    assert waiting(jail) == []


@pytest.fixture(scope="module")
def spare() -> Iterator[Jail]:
    """One whose zygote may be killed, and whose jobs may print little."""
    with Jail(RUNTIME, replace(SETTINGS, output_bytes=50_000)) as one:
        yield one


def waiting(jail: Jail) -> list[psutil.Process]:
    assert jail._zygote is not None
    children: list[psutil.Process] = psutil.Process(jail._zygote.pid).children(recursive=True)
    return children


def who(outcome: Outcome) -> int:
    assert outcome.error is not None, outcome.status
    return int(outcome.error.message)


def gone(process: psutil.Process) -> bool:
    """Dead, within a while; nobody may have reaped it if its parent died too."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def locked(process: psutil.Process) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status


def test_a_job_gets_the_process_that_waits_and_the_next_one_a_new_one(warm: Jail, benign: Outcome) -> None:
    warm.make_ready()
    warm.make_ready()
    (ready,) = waiting(warm)
    deadline = time.monotonic() + 10
    while not locked(ready) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert locked(ready), "it locks itself without waiting for the job"
    assert who(warm.run(WHO)) == ready.pid
    assert waiting(warm) == []
    assert who(warm.run(WHO)) != ready.pid
    warm.make_ready()
    drawn = warm.run(BENIGN)
    assert drawn.pixels is not None
    assert benign.pixels is not None
    assert drawn.pixels.tobytes() == benign.pixels.tobytes()
    assert drawn.description == benign.description


def test_a_job_with_limits_of_its_own_does_not_get_it(warm: Jail) -> None:
    warm.make_ready()
    (ready,) = waiting(warm)
    greedy = "import numpy as np\nhold = np.ones(200_000_000, np.uint8)"
    assert warm.run(greedy, memory_mb=100).status == "memory_limit"
    assert gone(ready)
    warm.make_ready()
    (ready,) = waiting(warm)
    assert who(warm.run(WHO, timeout_s=3)) != ready.pid
    assert gone(ready)


def test_one_that_died_while_it_waited_costs_nothing(warm: Jail) -> None:
    assert warm._zygote is not None
    zygote = warm._zygote.pid
    warm.make_ready()
    (ready,) = waiting(warm)
    ready.kill()
    assert gone(ready)
    assert who(warm.run(WHO)) != ready.pid
    assert warm._zygote is not None
    assert warm._zygote.pid == zygote


def test_one_whose_zygote_died_costs_a_new_zygote(spare: Jail) -> None:
    spare.run(BENIGN)
    spare.make_ready()
    (ready,) = waiting(spare)
    assert spare._zygote is not None
    psutil.Process(spare._zygote.pid).kill()  # at any moment: the child may not be locked yet
    assert gone(ready)
    assert spare.run(BENIGN).status == "ok"


def test_pictures_and_the_self_test_use_it_too(warm: Jail) -> None:
    warm.make_ready()
    assert warm.self_test() == []
    assert waiting(warm) == []
    warm.make_ready()
    assert warm.decode(b"not a picture").status == "bad_reference"
    assert waiting(warm) == []


def test_files_of_an_earlier_job_are_gone_from_its_work_directory(warm: Jail) -> None:
    warm.run("open('left', 'w').write('x')\nimport os; os.mkdir('folder'); open('folder/in', 'w').write('y')")
    warm.make_ready()
    outcome = warm.run("import os\nraise ValueError(len(os.listdir('.')))")
    assert outcome.error is not None
    assert outcome.error.message == "0"


def test_its_clock_starts_with_the_job(warm: Jail) -> None:
    warm.make_ready()
    time.sleep(1.5)
    outcome = warm.run("import time; time.sleep(0.2)\n" + BENIGN, timeout_s=SETTINGS.timeout_s)
    assert outcome.status == "ok"
    assert 150 < outcome.exec_ms + outcome.draw_ms < 1500


def test_a_worn_zygote_is_replaced_before_the_job_comes() -> None:
    with Jail(RUNTIME, replace(SETTINGS, recycle_after=2)) as jail:
        jail.run(BENIGN)
        assert jail._zygote is not None
        old = psutil.Process(jail._zygote.pid)
        jail.make_ready()
        assert jail._zygote.pid != old.pid
        assert gone(old)
        (ready,) = waiting(jail)
        assert who(jail.run(WHO)) == ready.pid


def test_closing_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and path.is_relative_to(tmp_path.parents[1]):
            path.chmod(0o755)  # jobs run as another user
    before = psutil.Process().num_fds()
    jail = Jail(RUNTIME, replace(SETTINGS, work_root=tmp_path))
    jail.make_ready()  # not started: nothing to make ready
    jail.start()
    jail.make_ready()
    (ready,) = waiting(jail)
    jail.close()
    jail.close()
    assert gone(ready)
    assert list(tmp_path.iterdir()) == []
    assert psutil.Process().num_fds() == before


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("os.write(3, frame + frame)", "crashed"),
        ("os.write(1, b'x' * 60_000)\nos.write(3, frame)", "output_limit"),
    ],
)
def test_an_answer_that_turns_out_to_be_worthless_is_not_kept(spare: Jail, ending: str, status: str) -> None:
    forged = "frame = frame_of({'status': 'ok', 'width': 6, 'height': 4, 'description': described()}, b'abc' * 24)\n"
    outcome = spare.run(PRELUDE + FORGE + forged + ending + "\nos._exit(0)")
    assert outcome.status == status
    assert outcome.pixels is None
