"""What holds in every view: accessible, in both schemes, at every width; keys; the address."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Playground, Watch
from tests.queue.conftest import NoopStack, batch

SALES = (Path(__file__).parents[2] / "examples" / "charts" / "sales.py").read_text()
VIEWS = ("playground", "batches", "batch", "item", "fleet", "profiles")
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def scored(base_url: str) -> str:
    """A batch with a chart, a failure and everything that can be returned."""
    items = [
        {"id": "near", "code": SALES.replace("6.3", "3.9").replace("#e07a1f", "#884422"), "reference": {"code": SALES}},
        {"id": "crash", "code": "1/0", "reference": {"code": SALES}},
        {"id": "same", "code": SALES, "reference": {"code": SALES}},
    ]
    body = {"items": items, "profile": "fidelity", "return": ["render", "evidence", "description"]}
    answer = httpx.post(f"{base_url}/v1/rewards?wait=100", json=body, timeout=110)
    answer.raise_for_status()
    return str(answer.json()["id"])


def show(page: Page, view: str, scored: str) -> None:
    """Go to a view and wait for its data; all evidence opened."""
    place = {"batch": f"batches/{scored}", "item": f"batches/{scored}/0"}.get(view, view)
    page.evaluate("(place) => { location.hash = `#/${place}`; }", place)
    if view == "playground":
        Playground(page).score("1/0", SALES)
    ready = {
        "playground": "[data-test=reward]",
        "batches": "tr[data-batch]",
        "batch": ".sheet .thumb",
        "item": "[data-test=reward]",
        "fleet": "[data-worker]",
        "profiles": "article.profile",
    }
    expect(page.locator(ready[view]).first).to_be_visible()
    if view == "item":
        for button in page.locator("button.signal").all():
            if button.get_attribute("aria-expanded") == "false":
                button.click()
        expect(page.locator("button.signal[aria-expanded=false]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation(open_page: Opener, scored: str, scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    found: dict[str, list[Any]] = {}
    for view in VIEWS:
        show(page, view, scored)
        page.mouse.move(0, 0)
        violations = Axe().run(page).response["violations"]
        found[view] = [
            (one["id"], [node["html"][:160] for node in one["nodes"]][:4])
            for one in violations
            if one["impact"] in SERIOUS
        ]
    assert found == {view: [] for view in VIEWS}


@pytest.mark.parametrize("width", [380, 800, 1600])
def test_nothing_overflows(open_page: Opener, scored: str, width: int) -> None:
    page = open_page(width=width)
    for view in VIEWS:
        show(page, view, scored)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        expect(page.get_by_role("link", name="Profiles")).to_be_visible()


def test_colour_scheme_can_be_forced(open_page: Opener) -> None:
    page = open_page(color_scheme="light")
    button = page.locator("#scheme-button")
    expect(button).to_have_text("Auto")
    expect(page.locator("body")).to_have_css("background-color", "rgb(247, 247, 245)")
    button.click()
    button.click()
    expect(button).to_have_text("Dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(19, 20, 23)")
    page.reload()
    expect(page.locator("body")).to_have_css("background-color", "rgb(19, 20, 23)")


def test_typed_code_survives_other_views(open_page: Opener, mark: str) -> None:
    page = open_page()
    play = Playground(page)
    play.generated.fill(mark)
    page.get_by_role("link", name="Profiles").click()
    expect(page.locator("article.profile").first).to_be_visible()
    expect(page.get_by_role("link", name="Profiles")).to_have_attribute("aria-current", "page")
    page.go_back()
    expect(play.generated).to_have_value(mark)


KEY = "a-key-for-the-page"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NoopStack]:
    """A stack that asks for a key."""
    env = {"CHARTREWARD_API_KEYS": json.dumps({"alice": hashlib.sha256(KEY.encode()).hexdigest()})}
    with NoopStack(tmp_path_factory.mktemp("locked"), workers=1, env=env) as running:
        yield running


@pytest.fixture
def locked_watch(watch: Watch, locked: NoopStack) -> Watch:
    """The watch of pages of that stack."""
    watch.origin = locked.url
    watch.expected = ("401",)
    return watch


def test_page_asks_for_a_key_and_keeps_it_for_the_session(
    open_page: Opener, locked_watch: Watch, locked: NoopStack, mark: str
) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    mine = httpx.post(f"{locked.url}/v1/rewards?wait=60", json=batch(mark, 3), headers=headers, timeout=70).json()
    page = open_page("/#/batches")
    dialog = page.get_by_role("dialog", name="API key")
    expect(dialog).to_be_visible()
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    page.keyboard.insert_text("wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("The service does not know this key.")
    page.get_by_label("Key", exact=True).fill(KEY)
    dialog.get_by_role("button", name="Use this key").click()
    expect(page.locator(f"tr[data-batch='{mine['id']}']")).to_be_visible()
    expect(dialog).to_be_hidden()
    assert page.evaluate("Object.values(sessionStorage)") == [KEY]
    assert KEY not in page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    page.reload()
    expect(page.locator(f"tr[data-batch='{mine['id']}']")).to_be_visible()
    other = page.context.new_page()  # another tab has a session of its own
    other.goto(f"{locked.url}/#/batches")
    expect(other.get_by_role("dialog", name="API key")).to_be_visible()
    page.locator("#key-button").click()
    dialog.get_by_role("button", name="Forget it").click()
    page.wait_for_function("sessionStorage.length === 0")  # once the dialog has told that it is closed


def test_without_a_key_the_page_says_so_and_does_not_nag(open_page: Opener, locked_watch: Watch) -> None:
    page = open_page("/#/fleet")
    dialog = page.get_by_role("dialog", name="API key")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("main .notice.bad")).to_have_text("the service asks for an API key")
    with page.expect_response("**/v1/workers"):  # the next look of the live view
        pass
    expect(dialog).to_be_hidden()
    page.locator("#key-button").click()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.keyboard.press("Enter")
    expect(page.locator("[data-worker]")).to_have_count(1)


def test_snippets_never_hold_the_key(open_page: Opener, locked_watch: Watch) -> None:
    page = open_page()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.keyboard.press("Enter")
    Playground(page).press()
    for name in ("curl", "Python"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator("#snippet-text")).to_contain_text("CHARTREWARD_KEY")
        assert KEY not in page.locator("#snippet-text").inner_text()
        page.get_by_role("button", name="Close").click()
