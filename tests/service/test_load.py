"""The load shapes of real trainers, and the document's promises under random requests."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path
from subprocess import run

import aiohttp
import httpx
import pytest

from tests.queue.conftest import NoopStack, batch


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    with NoopStack(tmp_path_factory.mktemp("load"), workers=2) as running:
        yield running
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
async def test_a_thousand_single_posts_at_once_without_keep_alive(shared: NoopStack, mark: str) -> None:
    async def one(number: int) -> int:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=180)) as session:
            fenced = f"```python\nimport x\n# pass {mark} {number}\n```"
            body = {"query": [fenced], "prompts": [""], "labels": ["# the\n# reference"]}
            async with session.post(f"{shared.url}/get_reward", json=body) as answer:
                assert answer.status == 200, await answer.text()
                return len((await answer.json())["rewards"])

    assert await asyncio.gather(*(one(number) for number in range(1000))) == [1] * 1000
    assert len(shared.executed(mark)) == 1000


@pytest.mark.slow
def test_one_post_of_2560_items_over_512_references(shared: NoopStack, mark: str) -> None:
    answer = httpx.post(f"{shared.url}/v1/rewards?wait=60", json=batch(mark, 2560, references=512), timeout=90)
    assert answer.status_code == 200 and answer.json()["counts"] == {"ok": 2560}
    assert len(shared.executed(mark)) == 2560


@pytest.mark.slow
async def test_pooled_connections_with_idle_gaps(shared: NoopStack, mark: str) -> None:
    """uvicorn's own 5 s of keep-alive would cut connections that a client is about to use again."""
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:

        async def one(name: str) -> float:
            payload = {"prompt": "", "response": f"import x\n# pass {mark} {name}", "label": "# the\n# reference"}
            async with session.post(f"{shared.url}/rm", json=payload) as answer:
                assert answer.status == 200
                return float(await answer.json())

        for gap in range(3):
            assert await asyncio.gather(*(one(f"{gap}-{n}") for n in range(64))) == [1.0] * 64
            await asyncio.sleep(5)


# Data can be valid for the document and still name no chart, no profile, no registered reference: 422 says so.
CHECKS = ("--checks", "all", "--exclude-checks", "positive_data_acceptance")


def schemathesis(url: str, folder: Path, *options: str, timeout_s: float) -> None:
    """Random requests, valid and not: no 5xx, every answer as openapi.json says."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    fixed = ("--seed", "5", "--generation-deterministic", "--request-timeout", "60")
    command = [program, "run", f"{url}/openapi.json", *CHECKS, *fixed, *options]
    done = run(command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=folder)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


@pytest.mark.timeout(400)
def test_answers_keep_to_the_document(shared: NoopStack, tmp_path: Path) -> None:
    schemathesis(shared.url, tmp_path, "--phases", "fuzzing", "--max-examples", "5", timeout_s=380)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_answers_keep_to_the_document(shared: NoopStack, tmp_path: Path) -> None:
    phases = ("--phases", "examples,coverage,fuzzing", "--max-examples", "100")
    schemathesis(shared.url, tmp_path, *phases, timeout_s=1700)
