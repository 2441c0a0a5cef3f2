"""`chartreward serve`: the whole stack in the foreground."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import time
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from chartreward.cli_errors import CommandError
from chartreward.completions import extract_code
from chartreward.embedded import ROOT, Stack, StackError

EXAMPLES = ROOT / "examples" / "examples.toml"
PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(  # noqa: PLR0917 - a command's options
    host: Annotated[str, typer.Option(help="Address to listen on.", envvar="CHARTREWARD_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", envvar="CHARTREWARD_PORT", min=1, max=65535)] = 8000,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one a core.")] = None,
    redis: Annotated[str | None, typer.Option(help="URL of a running Redis; default: start one here.")] = None,
    examples: Annotated[bool, typer.Option("--examples", help="Score the bundled examples and show them.")] = False,
    once: Annotated[bool, typer.Option("--once", help="With --examples: stop after the table.")] = False,
) -> None:
    """Start Redis, the API and the workers on this machine, and serve until Ctrl-C."""
    if any(find_spec(name) is None for name in ("service", "worker")):
        raise StackError("no service here: this command needs the repository's environment (make setup)")
    if redis is not None:
        _check_redis(redis)
    console = Console(stderr=True)
    started = time.monotonic()
    stack = Stack(host=host, port=port, workers=workers, redis_url=redis, env=_environment(host))
    stack.stop_on_signals()
    try:
        with console.status("starting Redis, the API and the workers"):
            stack.start()
            stack.wait_ready()
        console.print(f"serving on {stack.url} (ready in {time.monotonic() - started:.1f} s)", highlight=False)
        if examples:
            Console(width=120).print(example_table(stack.url))
        if not once:
            console.print("Ctrl-C stops it")
            stack.serve_forever()
    except StackError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    finally:
        stack.stop()


def _check_redis(url: str) -> None:
    """Say at once, not after the start-up time, that a Redis cannot be used. Raises CommandError."""
    from redis import Redis
    from redis.exceptions import RedisError

    shown = re.sub(r"//[^@/]*@", "//", url)
    try:
        with contextlib.closing(Redis.from_url(url, socket_connect_timeout=10, socket_timeout=10)) as client:
            client.ping()
    except (RedisError, ValueError, OSError) as error:
        raise CommandError(f"no Redis at {shown}: {error}") from None


def _environment(host: str) -> dict[str, str]:
    """What the children are told: in the foreground, only warnings are worth a line."""
    return {"CHARTREWARD_HOST": host, "CHARTREWARD_LOG_LEVEL": os.environ.get("CHARTREWARD_LOG_LEVEL", "warning")}


def example_table(url: str) -> Table:
    """Score the bundled examples through a server and tabulate the rewards."""
    examples = tomllib.loads(EXAMPLES.read_text(encoding="utf-8"))["example"]
    folder = EXAMPLES.parent
    items = [
        {
            "id": example["name"],
            **generated_of(folder / example["generated"]),
            "reference": reference_of(folder / example["reference"]),
        }
        for example in examples
    ]
    body = {"items": items, "return": ["description", "render", "evidence"]}  # so that the page can show the batch
    answer = httpx.post(f"{url}/v1/rewards", params={"wait": 120}, json=body, timeout=130)
    answer.raise_for_status()
    batch = answer.json()
    if batch["status"] != "completed":
        raise StackError(f"the examples did not finish: {batch['done']} of {batch['total']}")
    table = Table(title=f"{batch['profile']} on {batch['runtime']}", title_justify="left")
    for name, justify in (("example", "left"), ("status", "left"), ("reward", "right"), ("signals", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    titles = {example["name"]: example["title"] for example in examples}
    for result in batch["results"]:
        table.add_row(titles[result["id"]], result["status"], reward_text(result), signals_text(result))
    return table


def generated_of(path: Path) -> dict[str, str]:
    """A file as generated code: a .py is code, anything else a completion."""
    text = path.read_text(encoding="utf-8")
    return {"code": text} if path.suffix == ".py" else {"completion": text}


def reference_of(path: Path) -> dict[str, str]:
    """A file as reference: a picture, or code."""
    if path.suffix.lower() in PICTURES:
        return {"image": base64.b64encode(path.read_bytes()).decode()}
    text = path.read_text(encoding="utf-8")
    code = text if path.suffix == ".py" else extract_code(text)
    if code is None:
        raise StackError(f"{path}: no Python code found")
    return {"code": code}


def reward_text(result: dict[str, Any]) -> str:
    """`1.234`, or a dash where there is none."""
    return "-" if result["reward"] is None else f"{result['reward']:.3f}"


def signals_text(result: dict[str, Any]) -> str:
    """The signals that count, or what went wrong."""
    if result["error"] is not None:
        line = result["error"]["line"]
        where = f" (line {line})" if line else ""
        return f"{result['error']['type']}: {result['error']['message']}"[:60] + where
    signals = result["signals"].items()
    return "  ".join(f"{name} {signal['value']:.3f}" for name, signal in signals if signal["value"] is not None)
