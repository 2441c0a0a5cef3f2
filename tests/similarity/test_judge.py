"""The judge against a real HTTP server that speaks the OpenAI protocol."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chartreward.profiles.options import NoOptions
from tests.similarity.charts import chart
from worker.settings import JudgeSettings
from worker.similarity.judge import JudgeError, judge_signal

GOOD = {"type": 10, "layout": 10, "text": 5, "data": 5, "style": 0, "clarity": 0}


@contextmanager
def endpoint(*answers: tuple[int, str | None]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that gives these (status, content) answers in turn, the last one for ever; content None hangs."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append({"path": self.path, "authorization": self.headers.get("Authorization"), **body})
            status, content = answers[min(len(seen), len(answers)) - 1]
            if content is None:
                time.sleep(1.0)
                content = ""
            data = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()


def rate(url: str, **settings: Any) -> float | None:
    signal = judge_signal(JudgeSettings(url=url, model="rater", pause_s=0.01, **settings))
    return signal(chart(), chart(), NoOptions()).value


def test_ratings_become_their_mean() -> None:
    with endpoint((200, json.dumps(GOOD))) as (url, seen):
        assert rate(url, key="secret") == pytest.approx(0.5)
    assert seen[0]["path"] == "/v1/chat/completions"
    assert seen[0]["authorization"] == "Bearer secret"
    pictures = [part["image_url"]["url"] for part in seen[0]["messages"][1]["content"]]
    assert len(pictures) == 2
    assert base64.b64decode(pictures[0].partition(",")[2]).startswith(b"\x89PNG")


@pytest.mark.parametrize("first", [(503, ""), (429, ""), (200, "I think it is a 7."), (200, '{"type": 11}')])
def test_bad_answers_are_asked_again(first: tuple[int, str]) -> None:
    with endpoint(first, (200, json.dumps(GOOD))) as (url, seen):
        assert rate(url) == pytest.approx(0.5)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(GOOD | {"data": 11}),
        json.dumps(GOOD | {"data": "5"}),
        json.dumps(GOOD | {"comment": "nice"}),
        json.dumps({"type": 5}),
        f"```json\n{json.dumps(GOOD)}\n```",
    ],
)
def test_only_the_strict_object_counts(content: str) -> None:
    with endpoint((200, content)) as (url, seen), pytest.raises(JudgeError, match="no usable answer"):
        rate(url, attempts=2)
    assert len(seen) == 2


def test_timeouts_and_refusals_are_errors_not_zero() -> None:
    with endpoint((200, None)) as (url, seen), pytest.raises(JudgeError):
        rate(url, timeout_s=0.2, attempts=2)
    assert len(seen) == 2
    with endpoint((401, "")) as (url, seen), pytest.raises(JudgeError, match="401"):
        rate(url)
    assert len(seen) == 1
    with pytest.raises(JudgeError):
        rate("http://127.0.0.1:9/v1", attempts=1)
