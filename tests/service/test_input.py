"""What bad input gets: a 4xx problem that names the field, never a 500."""

from __future__ import annotations

import base64
import io
import json
import socket
from typing import Any

import httpx
import pytest
from PIL import Image

from chartreward.embedded import Stack
from chartreward.models import Problem

CODE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
ITEM = {"code": CODE, "reference": {"code": CODE}}


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> str:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


def post(url: str, body: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/rewards", json=body, timeout=30)


def problem(answer: httpx.Response, status: int, code: str) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate_json(answer.content)
    assert (found.status, found.code) == (status, code)
    assert found.request_id == answer.headers["x-request-id"]
    return found


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["items"]),
        ({"items": []}, ["items"]),
        ({"items": [ITEM], "unknown": 1}, ["unknown"]),
        ({"items": [{**ITEM, "typo": 1}]}, ["items", 0, "typo"]),
        ({"items": [ITEM, {"reference": {"code": CODE}}]}, ["items", 1]),
        ({"items": [{**ITEM, "completion": "x"}]}, ["items", 0]),
        ({"items": [{"code": CODE, "reference": "nowhere"}]}, ["items", 0, "reference"]),
        ({"items": [ITEM], "references": {"a": {"code": CODE, "image": "x"}}}, ["references", "a"]),
        ({"items": [ITEM], "references": {"a": {"image": "???"}}}, ["references", "a", "image"]),
        ({"items": [ITEM], "profile": "nonesuch"}, ["profile"]),
        ({"items": [ITEM], "profile": "chartsimrl@99"}, ["profile"]),
        ({"items": [ITEM], "runtime": "python2"}, ["runtime"]),
        ({"items": [ITEM], "limits": {"timeout_s": 500}}, ["limits", "timeout_s"]),
        ({"items": [ITEM], "limits": {"timeout_s": -1}}, ["limits", "timeout_s"]),
        ({"items": [ITEM], "priority": "urgent"}, ["priority"]),
        ({"items": [{**ITEM, "code": "x" * 200_001}]}, ["items", 0, "code"]),
        (
            {"items": [ITEM], "profile": {"signals": [{"name": "nonesuch"}], "range": [0, 1]}},
            ["profile", "signals", 0, "name"],
        ),
        (
            {"items": [ITEM], "profile": {"signals": [{"name": "text", "options": {"flor": 1}}], "range": [0, 1]}},
            ["profile", "signals", 0, "options", "flor"],
        ),
        (
            {"items": [ITEM], "profile": {"signals": [{"name": "text", "options": {"floor": 2}}], "range": [0, 1]}},
            ["profile", "signals", 0, "options", "floor"],
        ),
        (
            {
                "items": [ITEM],
                "profile": {
                    "signals": [{"name": "text"}],
                    "gates": [{"signal": "layout", "at_least": 1, "otherwise": 0}],
                    "range": [0, 1],
                },
            },
            ["profile", "gates", 0, "signal"],
        ),
        ({"items": [ITEM], "profile": {"signals": [{"name": "text"}], "range": [1, 0]}}, ["profile", "range"]),
        (
            {"items": [ITEM], "profile": {"signals": [{"name": "text", "weight": "much"}], "range": [0, 1]}},
            ["profile", "signals", 0, "weight"],
        ),
        ({"items": [ITEM], "profile": "sgp"}, ["profile", "signals", 0, "name"]),
        ({"items": [ITEM], "profile": {}}, ["profile", "signals"]),
        ({"items": [{"code": CODE, "reference": {"cod": CODE}}]}, ["items", 0, "reference", "cod"]),
    ],
)
def test_the_field_is_named(base_url: str, body: dict[str, Any], loc: list[str | int]) -> None:
    found = problem(post(base_url, body), 422, "invalid_request")
    assert found.errors is not None and loc in [error["loc"] for error in found.errors]
    assert not found.retryable


def test_a_reference_that_is_not_registered_is_told_apart(base_url: str) -> None:
    answer = post(base_url, {"items": [{"code": CODE, "reference": {"id": "ref_nowhere"}}]})
    found = problem(answer, 422, "unknown_reference")
    assert found.errors is not None and found.errors[0]["loc"] == ["items", 0, "reference", "id"]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (base64.b64encode(b"GIF89a" + b"\0" * 40).decode(), "PNG, JPEG nor WebP"),
        (base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(), "PNG, JPEG nor WebP"),
        (picture("PNG", (9000, 9000)), "9000 x 9000 pixels"),
        ("!!!!", "base64"),
    ],
)
def test_pictures_are_checked_by_their_header(base_url: str, image: str, message: str) -> None:
    found = problem(post(base_url, {"items": [{"code": CODE, "reference": {"image": image}}]}), 422, "invalid_request")
    assert message in found.detail


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_header_gives_the_size(kind: str) -> None:
    from service.images import check_image

    assert check_image(picture(kind, (31, 17)), 10_000) == (31, 17)


def test_lossless_and_alpha_webp_are_read() -> None:
    from service.images import check_image

    for mode, options in (("RGB", {"lossless": True}), ("RGBA", {})):
        out = io.BytesIO()
        Image.new(mode, (40, 30)).save(out, "WEBP", **options)
        assert check_image(base64.b64encode(out.getvalue()).decode(), 10_000) == (40, 30)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"items": [{"code": "\\ud8", "reference": {"code": "x"}}]}',
        b'{"items": [{"code": "\xed\xa0\x80", "reference": {"code": "x"}}]}',
        b"[" * 100_000,
        b'{"items": [{"code": "x", "reference": {"code": "x"}}], "deadline_s": NaN}',
        b'{"items": [{"code": "x", "reference": {"code": "x"}}], "deadline_s": Infinity}',
        b'{"items": [{"code": "x", "reference": {"code": "x"}}], "deadline_s": 1e999}',
        b"null",
        b"[]",
        b'"text"',
        b'{"items": {"0": 1}}',
        b'{"items": [' + b"null," * 50_000 + b"null]}",
    ],
)
@pytest.mark.parametrize("path", ["/v1/rewards", "/v1/references", "/get_reward", "/rm", "/verify"])
def test_ill_formed_bodies_get_a_4xx(base_url: str, path: str, body: bytes) -> None:
    answer = httpx.post(f"{base_url}{path}", content=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code in (400, 422), answer.text[:300]
    Problem.model_validate_json(answer.content)


@pytest.mark.parametrize("text", ["a\\ud800", "\\udc00b", "\\ud83d\\ud83d\\ude00", "\\\\\\ud9ff", "\\uDE00\\uD83D"])
def test_half_characters_are_cleaned_wherever_they_are(base_url: str, text: str) -> None:
    """Half of a surrogate pair is legal to send and no text; a tokenizer would have made it U+FFFD."""
    url = f"{base_url}/v1/rewards?wait=60"
    code = f'x = "{text}"'.replace('"', '\\"')
    headers = {"Content-Type": "application/json"}
    bodies = [
        f'{{"items": [{{"id": "{text}", "code": "{code}", "reference": {{"code": "{code}"}}}}]}}',
        f'{{"items": [{{"completion": "{text}", "reference": "{text}"}}],"references": {{"{text}": {{"code": "x"}}}}}}',
    ]
    for body in bodies:
        done = httpx.post(url, content=body, headers=headers, timeout=90)
        assert done.status_code == 200, done.text
    for path, body in (
        ("/get_reward", f'{{"query": ["{text}"], "prompts": ["{text}"], "labels": ["import x\\n{text}"]}}'),
        ("/rm", f'{{"prompt": "{text}", "response": "{text}", "label": "import x\\n{text}"}}'),
        (
            "/verify",
            f'{{"responses_create_params": {{"{text}": 1}}, "response": {{}}, "{text}": "{text}", "label": "a"}}',
        ),
        ("/v1/references", f'{{"code": "{text}"}}'),
    ):
        answer = httpx.post(f"{base_url}{path}", content=body, headers=headers, timeout=90)
        assert answer.status_code in (200, 201, 422), answer.text
    named = httpx.post(url, content=f'{{"items": [], "{text}": 1}}', headers=headers, timeout=30)
    assert problem(named, 422, "invalid_request").errors


def test_cleaning_leaves_whole_characters_alone(base_url: str) -> None:
    body = b'{"items": [{"id": "\\ud83d\\ude00 \\\\ud800 \\ud800", "completion": "", "reference": {"code": "x"}}]}'
    answer = httpx.post(f"{base_url}/v1/rewards", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["results"][0]["id"] == "\U0001f600 \\ud800 \ufffd"


@pytest.mark.parametrize(
    "label",
    [
        '{"ref": "\\ud800"}',
        '{"code": "import x\\n", "timeout_s": NaN}',
        '{"a":' + "[" * 100_000,
        '{"code": ' + "9" * 5000,
    ],
)
def test_labels_of_json_text_that_is_none(base_url: str, label: str) -> None:
    answer = httpx.post(f"{base_url}/rm", json={"prompt": "", "response": "x", "label": label}, timeout=30)
    found = problem(answer, 422, "invalid_request")
    assert found.errors is not None and found.errors[0]["loc"][0] in ("label", "limits", "timeout_s")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_echoes_are_json_too(base_url: str, number: str) -> None:
    body = f'{{"responses_create_params": {{}}, "response": {{}}, "label": "ref_none", "row": {number}}}'
    answer = httpx.post(f"{base_url}/verify", content=body, headers={"Content-Type": "application/json"}, timeout=90)
    assert answer.status_code == 422, answer.text


def test_other_media_types_are_refused(base_url: str) -> None:
    body = json.dumps({"items": [ITEM]}).encode()
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}):
        answer = httpx.post(f"{base_url}/v1/rewards", content=body, headers=headers)
        assert answer.status_code == 415


def test_too_large_a_body_is_cut_off_while_it_is_sent(base_url: str) -> None:
    sent = 0

    def chunks() -> Any:
        nonlocal sent
        for _ in range(200):
            sent += 1 << 20
            yield b" " * (1 << 20)

    headers = {"Content-Type": "application/json"}
    try:
        answer = httpx.post(f"{base_url}/v1/rewards", content=chunks(), headers=headers, timeout=60)
        assert answer.status_code == 413
        problem(answer, 413, "too_large")
    except httpx.WriteError:  # the server hung up before we had sent all of it
        pass
    assert sent < 150 << 20


def test_too_large_a_body_is_refused_when_it_is_announced(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        head = f"POST /v1/rewards HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 30}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_unknown_things_are_404(base_url: str) -> None:
    for path in ("/nowhere", "/v1/rewards/b_none", "/v1/references/ref_none", f"/v1/renders/{'0' * 64}.png"):
        answer = httpx.get(f"{base_url}{path}")
        assert answer.status_code == 404
        Problem.model_validate_json(answer.content)
    for path, methods in (("/v1/rewards", "POST"), ("/v1/rewards/b_none", "DELETE, GET"), ("/rm", "POST")):
        answer = httpx.put(f"{base_url}{path}")
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == methods


def test_every_answer_says_how_long_it_took_and_none_is_for_other_sites(base_url: str) -> None:
    """`Server-Timing` everywhere; no CORS: a page elsewhere reads nothing."""
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for method, path in (("GET", "/v1/info"), ("GET", "/nowhere"), ("POST", "/v1/rewards"), ("OPTIONS", "/v1/rewards")):
        answer = httpx.request(method, f"{base_url}{path}", headers=origin)
        assert answer.headers["server-timing"].startswith("total;dur=")
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_request_id_is_echoed_unless_it_is_unfit(base_url: str) -> None:
    assert httpx.get(f"{base_url}/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    unfit = httpx.get(f"{base_url}/healthz", headers={"X-Request-Id": "x" * 300}).headers["x-request-id"]
    assert len(unfit) == 32
