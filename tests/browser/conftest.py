"""A real Chromium against a real stack. Nothing sleeps: every check waits for what it wants to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.chromium import FLAGS, find_chromium

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as tool:
        running = tool.chromium.launch(executable_path=find_chromium(), args=FLAGS, timeout=120_000)
        yield running
        running.close()


@dataclass
class Watch:
    """What pages said on their consoles, and where their requests went."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def on(self, context: BrowserContext) -> None:
        """Listen to every page of a context."""
        context.on("console", self._hear)
        context.on("weberror", lambda error: self._say("error", str(error.error)))
        context.on("request", lambda request: self._ask(request.url))

    def _hear(self, message: ConsoleMessage) -> None:
        # A busy machine may be not ready for a moment; the page shows it, and Chromium notes the 503.
        if not message.location["url"].endswith("/readyz"):
            self._say(message.type, message.text)

    def _say(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def _ask(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("blob", "data") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.strangers.append(url)

    def check(self) -> None:
        """No error on the console but expected ones, no request elsewhere."""
        assert self.strangers == []
        assert [line for line in self.complaints if not any(text in line for text in self.expected)] == []


Opener = Callable[..., Page]


@pytest.fixture
def watch(base_url: str) -> Watch:
    """Set `watch.expected` to parts of console errors that a test provokes."""
    return Watch(base_url)


@pytest.fixture
def open_page(browser: Browser, watch: Watch) -> Iterator[Opener]:
    """open_page(path="/", width=..., height=..., color_scheme=...): a page of a context of its own.

    At the end no page may have had an error on its console or asked another origin.
    """
    contexts: list[BrowserContext] = []

    def opened(path: str = "/", *, width: int = 1280, height: int = 900, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        watch.on(context)
        page = context.new_page()
        page.goto(f"{watch.origin}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    watch.check()


class Playground:
    """The playground as a visitor uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.generated = page.get_by_label("Generated code or completion")
        self.reference = page.get_by_label("Reference code")
        self.profile = page.get_by_label("Profile", exact=True)
        self.status = page.locator("[data-test=status]")
        self.reward = page.locator("[data-test=reward]")
        expect(self.profile.locator("option[value=fidelity]")).to_be_attached()

    def score(self, generated: str, reference: str | None = None, profile: str = "fidelity") -> None:
        """Fill in, press Score, wait for the result of this very code."""
        self.generated.fill(generated)
        if reference is not None:
            self.reference.fill(reference)
        self.profile.select_option(profile)
        self.press()

    def press(self) -> None:
        """Press Score and wait until it is done."""
        self.page.get_by_role("button", name="Score", exact=True).click()
        self.done()

    def done(self) -> None:
        """Wait for the word that says so."""
        expect(self.page.locator("form [role=status]")).to_have_text("scored")

    def signal(self, name: str) -> None:
        """Open the evidence of a signal."""
        button = self.page.locator("button.signal").filter(has_text=name).first
        if button.get_attribute("aria-expanded") == "false":
            button.click()
        expect(button).to_have_attribute("aria-expanded", "true")


@pytest.fixture
def playground(open_page: Opener) -> Playground:
    """The page as it opens."""
    return Playground(open_page())
