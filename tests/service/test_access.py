"""Keys, quotas, exposure; the document; readiness of a locked service."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.settings import ServiceSettings
from tests.queue.conftest import NoopStack, batch

ROOT = Path(__file__).parents[2]
KEYS = {"alice": "alpha-key", "bob": "beta-key"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NoopStack]:
    hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in KEYS.items()}
    env = {"CHARTREWARD_API_KEYS": json.dumps(hashes), "CHARTREWARD_QUOTA_ITEMS_PER_MINUTE": "50"}
    with NoopStack(tmp_path_factory.mktemp("locked"), workers=1, env=env) as running:
        yield running


def test_three_ways_to_show_a_key(locked: NoopStack) -> None:
    info = f"{locked.url}/v1/info"
    assert httpx.get(info, headers={"Authorization": "Bearer alpha-key"}).status_code == 200
    assert httpx.get(info, auth=("anybody", "beta-key")).status_code == 200
    assert httpx.get(info, auth=("alpha-key", "")).status_code == 200
    assert httpx.get(f"{info}?token=beta-key").status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic ???"}, {"Authorization": "Bearer"}]
)
def test_others_are_turned_away(locked: NoopStack, headers: dict[str, str]) -> None:
    for path in ("/v1/info", "/v1/rewards", "/rm", "/openapi.json"):
        answer = httpx.get(f"{locked.url}{path}", headers=headers)
        assert answer.status_code == 401 and answer.json()["code"] == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer") and answer.headers["x-request-id"]


def test_health_needs_no_key(locked: NoopStack) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/ping"):
        assert httpx.get(f"{locked.url}{path}").status_code == 200


def test_quota_is_per_key(locked: NoopStack, mark: str) -> None:
    def post(key: str, count: int) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{locked.url}/v1/rewards?wait=10", json=batch(mark, count), headers=headers)

    assert post("alpha-key", 40).status_code == 200
    refused = post("alpha-key", 40)
    assert refused.status_code == 429 and refused.json()["code"] == "quota_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert post("beta-key", 40).status_code == 200
    assert not post("beta-key", 51).json()["retryable"]  # no minute is long enough
    body = {"query": ["x"] * 51, "labels": ["import x\n"] * 51}
    never = httpx.post(f"{locked.url}/get_reward?token=beta-key", json=body, timeout=30)  # a trainer's route counts too
    assert never.status_code == 429 and never.json()["code"] == "quota_exceeded" and not never.json()["retryable"]


@pytest.mark.slow
def test_trainers_wait_for_their_quota(tmp_path: Path, mark: str) -> None:
    """Their clients take a 429 for a failure: a request is held into the next minute, if its clock allows."""
    hashes = {"alice": hashlib.sha256(b"alpha-key").hexdigest()}
    env = {"CHARTREWARD_API_KEYS": json.dumps(hashes), "CHARTREWARD_QUOTA_ITEMS_PER_MINUTE": "10"}
    env |= {"CHARTREWARD_RM_DEADLINE_S": "0.5", "CHARTREWARD_VERIFY_DEADLINE_S": "0.5"}
    with NoopStack(tmp_path, workers=1, env=env) as stack, httpx.Client(base_url=stack.url, timeout=150) as client:
        client.auth = ("anybody", "alpha-key")

        def openrlhf(count: int, name: str) -> httpx.Response:
            queries = [f"```python\n# pass {mark} {name} {n}\n```" for n in range(count)]
            return client.post("/get_reward", json={"query": queries, "labels": ["import x\n"] * count})

        assert openrlhf(10, "first").json()["rewards"] == [1.0] * 10
        rm = client.post("/rm", json={"prompt": "", "response": f"```python\n# {mark}\n```", "label": "import x\n"})
        if rm.status_code != 200:  # the minute may just have ended
            assert rm.status_code == 429 and rm.json()["code"] == "quota_exceeded" and rm.json()["retryable"]
            assert 1 <= int(rm.headers["retry-after"]) <= 60
        assert openrlhf(10, "second").json()["rewards"] == [1.0] * 10  # held, not refused
        never = openrlhf(11, "never")
        assert never.status_code == 429 and not never.json()["retryable"]


def test_keys_and_codes_are_not_logged(tmp_path: Path, mark: str) -> None:
    log = tmp_path / "log"
    runner = (
        "import sys; from pathlib import Path; from tests.queue.conftest import NoopStack, batch; import httpx\n"
        "folder, mark = Path(sys.argv[1]), sys.argv[2]\n"
        "with NoopStack(folder, workers=1, env={'CHARTREWARD_LOG_LEVEL': 'info'}) as stack:\n"
        "    httpx.post(stack.url + '/v1/rewards?wait=9&token=s3cret', json=batch(mark, 3))\n"
    )
    with log.open("wb") as stderr:
        command = [sys.executable, "-c", runner, str(tmp_path), mark]
        subprocess.run(command, cwd=ROOT, stderr=stderr, check=True, timeout=60)
    text = log.read_text()
    assert '"route":"/v1/rewards"' in text and '"items":3' in text and '"batch":"b_' in text
    assert mark not in text and "s3cret" not in text


def test_an_open_service_stays_on_loopback() -> None:
    ServiceSettings(host="127.0.0.1").check_exposure()
    ServiceSettings(host="0.0.0.0", allow_open=True).check_exposure()
    ServiceSettings(host="0.0.0.0", api_keys={"a": "0" * 64}).check_exposure()
    with pytest.raises(ValueError, match="API key"):
        ServiceSettings(host="0.0.0.0").check_exposure()
    command = [sys.executable, "-m", "service", "--host", "0.0.0.0", "--port", "18999"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 2 and "CHARTREWARD_API_KEYS" in refused.stderr


def test_openapi_json_is_current() -> None:
    """`make openapi` writes it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("CHARTREWARD_")}
    command = [sys.executable, "-c", "from chartreward.cli import main; main(['openapi'])"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60, env=env).stdout
    assert json.loads(printed) == json.loads((ROOT / "openapi.json").read_text())


def test_every_setting_says_what_it_does() -> None:
    from worker.settings import WorkerSettings

    for model in (ServiceSettings, WorkerSettings):
        silent = [name for name, field in model.model_fields.items() if not field.description]
        assert silent == []


def test_examples_of_the_documentation_validate() -> None:
    from chartreward.models import RewardRequest

    blocks = (ROOT / "docs" / "api.md").read_text().split("```json\n")[1:]
    bodies = [block.split("\n```\n")[0] for block in blocks]
    assert bodies
    for body in bodies:
        assert RewardRequest.model_validate_json(body).items
