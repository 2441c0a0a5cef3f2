"""The command line: what it prints, what it writes, and how it ends, against the real stack."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from chartreward.cli import main
from chartreward.models import ItemResult

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "examples" / "charts"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe & \"'"


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    """The command in this process, on a terminal without colours."""
    return CliRunner().invoke(
        main, [str(argument) for argument in arguments], env={"COLUMNS": "100", "FORCE_COLOR": "", **(env or {})}
    )


class Page(HTMLParser):
    """Every tag, attribute and piece of text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def check_self_contained(page: Page, source: str) -> None:
    """No scripts, no handlers, nothing to load."""
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & set(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "action"):
            assert value.startswith("data:image/png;base64,")
    assert not re.search(r"@import|javascript:", source)
    assert all(url.startswith("data:image/png;base64,") for url in re.findall(r"url\(([^)]*)\)", source))
    assert "default-src 'none'" in source


@pytest.mark.timeout(400)
def test_score_here_shows_bars_and_reasons(tmp_path: Path) -> None:
    page = tmp_path / "out" / "pair.html"
    result = run("score", CHARTS / "wrong_type.py", CHARTS / "sales.py", "--profile", "fidelity", "--html", page)
    assert result.exit_code == 0, result.output
    assert re.search(r"^0\.\d{4} of 0 to 1 █+░+  ok  fidelity@\d+  mpl38$", result.output, re.MULTILINE)
    for name in ("text", "data", "chart_type", "color"):
        assert re.search(rf"^  {name} +[█░]{{20}}  [01]\.\d{{4}}  weight", result.output, re.MULTILINE), result.output
    assert "missing: " in result.output
    shown = Page(page.read_text(encoding="utf-8"))
    check_self_contained(shown, page.read_text(encoding="utf-8"))
    assert [tag for tag, name, _ in shown.attributes if name == "src"] == ["img"] * 6  # 2 charts, 2 overlays
    for word in ("CIEDE2000", "Only in the generated chart", "Missing in the generated chart", "stage 4", "cosine"):
        assert word in shown.text


@pytest.mark.parametrize("profile", ["fidelity", "chartmimic"])
def test_score_through_a_service(base_url: str, tmp_path: Path, profile: str) -> None:
    options = ("--url", base_url, "--profile", profile, "--html", tmp_path / "p.html", "--json")
    result = run("score", CHARTS / "wrong_data.py", CHARTS / "sales.py", *options)
    assert result.exit_code == 0, result.output
    found = ItemResult.model_validate_json(result.output)
    assert found.id == "wrong_data.py" and found.reward is not None and 0 < found.reward <= 1
    page = Page((tmp_path / "p.html").read_text(encoding="utf-8"))
    assert f"{found.reward:.4f}" in page.text
    for name, compared in found.signals.items():
        assert name in page.text and f"{compared.value:.4f}" in page.text
    if profile == "fidelity":
        assert "polyline" in page.tags and "circle" in page.tags, "series are plotted over each other"


def test_hostile_text_is_only_text(base_url: str, tmp_path: Path) -> None:
    """Markup, direction overrides, terminal escapes and 10 kB titles come out inert, on page and terminal."""
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3], label={0!r})\nplt.legend()\nplt.title({1!r})\n"
    generated, reference = tmp_path / f"{HOSTILE.replace('/', '_')}.py", tmp_path / "reference.py"
    generated.write_text(code.format(HOSTILE, "x" * 10_000) + f"plt.xlabel({HOSTILE!r})\n# {HOSTILE}\n")
    reference.write_text(code.format("plain", HOSTILE) + f"plt.ylabel({HOSTILE!r})\n")
    html = tmp_path / "page.html"
    for profile in ("fidelity", "chartsimrl"):
        result = run("score", generated, reference, "--url", base_url, "--profile", profile, "--html", html)
        assert result.exit_code == 0, result.output
        assert "\u202e" not in result.output and "\x1b" not in result.output
        source = html.read_text(encoding="utf-8")
        page = Page(source)
        check_self_contained(page, source)
        assert "<script" not in source and "<img src=x" not in source
        assert "<script>alert(1)</script>" in page.text
    raising = tmp_path / "raises.py"
    raising.write_text(f"x = 1\nraise ValueError({HOSTILE + chr(27) + '[31m'!r})\n")
    result = run("score", raising, reference, "--url", base_url, "--html", html)
    assert result.exit_code == 0, "code that fails has a reward"
    assert "ValueError (line 2)" in result.output and "\x1b" not in result.output
    source = html.read_text(encoding="utf-8")
    check_self_contained(Page(source), source)
    assert '<span class="bad-line">raise ValueError(' in source


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder of files that cannot be used."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "prose.md").write_text("No code here.")
    (tmp_path / "profile.json").write_text('{"signals": [], "range": [0, 1], "wieght": 1}')
    (tmp_path / "no.json").write_text("{")
    (tmp_path / "raises.py").write_text("raise ValueError('reference')")


SALES = CHARTS / "sales.py"


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("bad_files")
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["score", "missing.py", SALES], 2, "does not exist"),
        (["score", SALES, SALES, "--nonsense"], 2, "No such option"),
        (["score", "binary.py", SALES], 1, "UnicodeDecodeError"),
        (["score", SALES, "prose.md"], 1, "prose.md: no Python code found"),
        (["score", SALES, SALES, "--profile", "nope"], 1, "unknown profile 'nope'; known: chart-spec"),
        (["score", SALES, SALES, "--profile", "fidelity@99"], 1, "not 99"),
        (["score", SALES, SALES, "--profile", "profile.json"], 1, "wieght: Extra inputs"),
        (["score", SALES, SALES, "--profile", "no.json"], 1, "no.json: profile: Invalid JSON"),
        (["score", SALES, SALES, "--profile", "missing.json"], 1, "FileNotFoundError"),
        (["score", SALES, SALES, "--url", "{service}", "--profile", "vincicoder"], 1, "visual.dinov2_vitl14"),
        (["score", SALES, SALES, "--runtime", "nope"], 1, "unknown runtime 'nope'; available: mpl38"),
        (["score", SALES, "raises.py", "--url", "{service}"], 1, "the reference ended as runtime_error"),
        (["score", SALES, SALES, "--url", "http://127.0.0.1:{closed}"], 3, "no answer from http://127.0.0.1:"),
        (["score", SALES, SALES, "--url", "nonsense"], 1, "not an http:// or https:// URL"),
        (["score", SALES, SALES, "--url", "{service}", "--runtime", "nope"], 1, "422 invalid_request"),
        (["score", SALES, SALES, "--url", "{service}/docs"], 1, "not_found"),
        (["workers", "--url", "http://127.0.0.1:{closed}"], 3, "no answer from http://127.0.0.1:"),
        (["workers", "--url", "{service}/docs"], 1, "404 not_found"),
        (["workers", "--url", "{service}/openapi.json?"], 1, "does not answer like ChartReward"),
        (["submit", "binary.py", "-o", "out.jsonl"], 1, "UnicodeDecodeError"),
        (["submit", "no.json", "-o", "out.jsonl"], 1, "no.json:1: no JSON"),
        (["references", "register", "no.json"], 1, "no.json:1: no JSON"),
        (["weights", "get", "nope"], 1, "unknown backbone 'nope'; known: resnet18"),
        (["serve", "--port", "1000000"], 2, "65535"),
        (["serve", "--port", "{closed}"], 1, "choose another with --port"),
        (["serve", "--redis", "redis://:secret@127.0.0.1:{closed}/0"], 1, "no Redis at redis://127.0.0.1:"),
        (["serve", "--redis", "nonsense"], 1, "no Redis at nonsense"),
    ],
)
def test_errors_are_one_line_with_a_status(
    arguments: list[object], status: int, message: str, base_url: str, closed_port: int
) -> None:
    given = [str(argument).format(closed=closed_port, service=base_url) for argument in arguments]
    result = run(*given)
    assert result.exit_code == status, result.output
    assert message in " ".join(result.output.replace("│", " ").split()), result.output
    assert "Traceback" not in result.output and not isinstance(result.exception, Exception)
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CHARTREWARD_TIMEOUT_S", "soon", "CHARTREWARD_TIMEOUT_S: Input should be a valid number"),
        ("CHARTREWARD_WEIGHTS", "garbage", 'field "weights"'),
        ("CHARTREWARD_WEIGHTS", '{"resnet18": {"path": "/nope"}}', "chartreward weights get resnet18"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, message: str) -> None:
    result = run("score", SALES, SALES, env={name: value})
    assert result.exit_code == 1 and message in " ".join(result.output.split()), result.output


def test_a_key_is_asked_for_and_used(tmp_path: Path) -> None:
    shown = run("key", "alice").output
    key = re.search(r"cr_[\w-]{40,}", shown)
    listed = re.search(r"CHARTREWARD_API_KEYS='(.*)'", shown)
    assert key and listed
    assert json.loads(listed[1]) == {"alice": hashlib.sha256(key[0].encode()).hexdigest()}


def test_workers_are_listed(base_url: str) -> None:
    deadline = time.monotonic() + 100
    levels: list[str] = []
    while levels != ["full", "full"] and time.monotonic() < deadline:  # ready means that one of the two serves
        result = run("workers", "--url", base_url, "--json")
        assert result.exit_code == 0, result.output
        levels = [info["level"] for info in json.loads(result.output)]
        time.sleep(0.2)
    assert levels == ["full", "full"]
    table = run("workers", "--url", base_url, env={"COLUMNS": "200"}).output
    assert table.count("full") == 2 and "mpl38" in table


@pytest.mark.timeout(400)
def test_submit_shows_its_progress_on_a_terminal(base_url: str, tmp_path: Path) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
    rows = [{"id": name, "code": f"{code}# {name}\n", "reference": code} for name in ("a", "b", "c")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-c",
        "from chartreward.cli import main; main()",
        "submit",
        "rows.jsonl",
        "-o",
        "o.jsonl",
    ]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [*command, "--url", base_url], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # how a terminal says that its other end is gone
            while block := os.read(ours, 4096):
                said += block
        os.close(ours)
        assert process.wait(100) == 0, said
    assert b"scoring" in said and b"3/3" in said
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 3


def test_settings_are_listed() -> None:
    shown = run("config").output
    for name in ("CHARTREWARD_API_KEYS", "CHARTREWARD_WEIGHTS", "CHARTREWARD_TIMEOUT_S=10.0"):
        assert name in shown


@pytest.mark.parametrize(
    "arguments", [["config"], ["openapi"], ["serve"], ["score", SALES, SALES]], ids=lambda given: str(given[0])
)
def test_the_client_alone_says_what_it_lacks(arguments: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the wheel is installed there is no service and no worker."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("service", "worker")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "service", None)
    monkeypatch.setitem(sys.modules, "worker", None)
    result = run(*arguments)
    assert result.exit_code == 1 and "make setup" in result.output, result.output
    assert "Traceback" not in result.output


@pytest.mark.timeout(400)
def test_ctrl_c_ends_with_130() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        command = [sys.executable, "-c", "from chartreward.cli import main; main()", "workers", "--url"]
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen([*command, address], stderr=subprocess.PIPE, text=True) as process:
            silent.settimeout(100)
            connection, _ = silent.accept()
            with connection:
                connection.settimeout(100)
                connection.recv(1)  # the request is on its way: the command waits for its answer
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=100)
        assert process.returncode == 130 and "Traceback" not in said, said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell: str) -> None:
    """The completion script exists for each shell, and the command answers what it asks."""
    command = [str(Path(sys.executable).parent / "chartreward")]
    env = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = subprocess.run([*command, "--show-completion", shell], env=env, capture_output=True, text=True, check=True)
    assert "_CHARTREWARD_COMPLETE" in script.stdout
    line = "chartreward score a.py b.py --profile fid"
    asked = {
        "_CHARTREWARD_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": "5",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    answer = subprocess.run(command, env={**env, **asked}, capture_output=True, text=True, check=False)
    assert "fidelity" in answer.stdout, answer.stderr


# --- weights ----------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server with a folder of files: its URL, and the folder."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def test_weights_are_fetched_and_checked(mirror: tuple[str, Path], closed_port: int, tmp_path: Path) -> None:
    url, folder = mirror
    content = os.urandom(300_000)
    (folder / "resnet18.pth").write_bytes(content)
    digest, target = hashlib.sha256(content).hexdigest(), tmp_path / "weights"
    options = ("--folder", target, "--url", f"{url}/resnet18.pth")

    wrong = run("weights", "get", "resnet18", *options)
    assert wrong.exit_code == 1 and f"has sha256 {digest}, not f37072fd" in wrong.output
    assert list(target.iterdir()) == [], "nothing is kept of a wrong file"

    right = run("weights", "get", "resnet18", *options, "--sha256", digest[:16])
    assert right.exit_code == 0, right.output
    setting = re.search(r"CHARTREWARD_WEIGHTS='(.*)'", right.output)
    assert setting
    path = target / f"resnet18-{digest[:8]}.pth"
    assert json.loads(setting[1]) == {"resnet18": {"path": str(path), "sha256": digest}}
    assert path.read_bytes() == content and list(target.iterdir()) == [path]

    (folder / "resnet18.pth").unlink()
    again = run("weights", "get", "resnet18", *options, "--sha256", digest[:16])
    assert again.exit_code == 0, "what is there already is not fetched again"
    path.write_bytes(b"torn")
    gone = run("weights", "get", "resnet18", *options, "--sha256", digest[:16])
    assert gone.exit_code == 3 and "cannot fetch" in gone.output and "404" in gone.output
    away = run("weights", "get", "resnet18", "--folder", target, "--url", f"http://127.0.0.1:{closed_port}/x")
    assert away.exit_code == 3 and "Without a network" in away.output and "Traceback" not in away.output
