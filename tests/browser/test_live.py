"""Batches and fleet: what happens is seen without a reload."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Watch

CHARTS = Path(__file__).parents[2] / "examples" / "charts"
SALES = (CHARTS / "sales.py").read_text()


def submit(url: str, items: list[dict[str, Any]], wait: int = 0, **extra: Any) -> Any:
    body = {"items": items, "references": {"r": {"code": SALES}}, **extra}
    answer = httpx.post(f"{url}/v1/rewards", params={"wait": wait}, json=body, timeout=wait + 20)
    answer.raise_for_status()
    return answer.json()


def rollouts(mark: str) -> list[dict[str, Any]]:
    """One reference, several rollouts of different worth, two failures."""
    names = ("sales", "wrong_colors", "wrong_data", "wrong_type", "crash")
    codes = {name: (CHARTS / f"{name}.py").read_text() for name in names} | {"nothing": "x = 1\n"}
    return [{"id": name, "code": f"{code}\n# {mark}\n", "reference": "r"} for name, code in codes.items()]


def open_batches(open_page: Opener) -> Page:
    page = open_page("/#/batches")
    expect(page.get_by_role("heading", name="Batches")).to_be_visible()
    return page


def test_batches_appear_and_move_by_themselves(open_page: Opener, base_url: str, mark: str) -> None:
    page = open_batches(open_page)
    # The slow one first, so that its progress is seen before its end.
    slow = {"code": f"while True: pass  # {mark}\n", "reference": "r"}
    batch = submit(base_url, [slow, *rollouts(mark)], limits={"timeout_s": 4})
    row = page.locator(f"tr[data-batch='{batch['id']}']")
    expect(row).to_be_visible()
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "7")
    expect(row.locator(".badge")).to_have_text("completed")
    expect(row.locator(".counts li").filter(has_text="drawn")).to_contain_text("4")
    expect(row.locator(".counts li").filter(has_text="timeout")).to_contain_text("1")


def test_a_batch_grows_on_its_own_page(open_page: Opener, base_url: str, mark: str) -> None:
    slow = {"id": "slow", "code": f"while True: pass  # {mark}\n", "reference": "r"}
    batch = submit(base_url, [slow, *rollouts(mark)], limits={"timeout_s": 4}, **{"return": ["render"]})
    page = open_page(f"/#/batches/{batch['id']}")
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("aria-valuenow", "7")
    expect(page.locator("svg.histogram .bin.good").first).to_be_attached()
    sheet = page.locator(".sheet")
    expect(sheet).to_have_count(1)
    expect(sheet.locator(".thumb")).to_have_count(7)
    expect(sheet.locator("img[src^='blob:']")).to_have_count(5)  # four rollouts drew, and the reference
    rewards = [float(text) for text in sheet.locator(".thumb .num").all_inner_texts()]
    assert rewards == sorted(rewards, reverse=True) and rewards[0] == 2.0
    worst = page.locator("section.card").filter(has=page.get_by_role("heading", name="Worst"))
    assert {float(text) for text in worst.locator(".thumb .num").all_inner_texts()} == {0.0}
    best = page.locator("section.card").filter(has=page.get_by_role("heading", name="Best"))
    expect(best.locator(".thumb-name").first).to_have_text("sales")


def test_an_item_of_a_batch_has_its_evidence(open_page: Opener, base_url: str, mark: str) -> None:
    batch = submit(base_url, rollouts(mark), wait=100, **{"return": ["render", "evidence", "description"]})
    page = open_page(f"/#/batches/{batch['id']}")
    page.locator(".sheet .thumb").filter(has_text="wrong_colors").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("wrong_colors")
    expect(page.locator("[data-test=status]")).to_have_text("drawn")
    expect(page.locator("figure.chart img[src^='blob:']")).to_have_count(2)
    expect(page.locator(".evidence").first).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("wrong_data")


def test_cancelling_a_batch(open_page: Opener, base_url: str, mark: str) -> None:
    items = [{"code": f"while True: pass  # {mark} {n}\n", "reference": "r"} for n in range(48)]
    batch = submit(base_url, items, limits={"timeout_s": 2})
    page = open_page(f"/#/batches/{batch['id']}")
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.locator(".badge.cancelled")).to_be_visible()
    expect(page.locator(".counts li").filter(has_text="cancelled").first).to_be_visible()


def test_a_batch_that_is_not_there(open_page: Opener, watch: Watch) -> None:
    watch.expected = ("404",)
    page = open_page("/#/batches/b_nothing")
    expect(page.locator(".notice.bad")).to_contain_text("no batch")
    page.get_by_role("link", name="All batches").click()
    expect(page.get_by_role("heading", name="Batches")).to_be_visible()


def test_fleet_is_live(open_page: Opener, base_url: str, mark: str) -> None:
    page = open_page("/#/fleet")
    expect(page.locator("[data-worker]")).to_have_count(2)
    expect(page.locator("[data-tile=Workers]")).to_contain_text("/ 2")
    expect(page.locator("[data-tile=Jail]")).to_contain_text(re.compile("full|reduced"))
    metrics = httpx.get(f"{base_url}/metrics").text
    found = re.search(r'chartreward_items_total\{status="syntax_error"\} ([\d.]+)', metrics)
    before = int(float(found[1])) if found else 0
    submit(base_url, [{"code": f"def ({mark} {n}", "reference": "r"} for n in range(3)], wait=100)
    row = page.locator(".meters li").filter(has_text="syntax error")
    expect(row.locator(".num")).to_have_text(str(before + 3))
    expect(page.locator("svg.spark path.spark-line[d*='L']")).to_be_attached()  # at least two looks


def test_profiles_show_formula_weights_and_source(open_page: Opener, base_url: str) -> None:
    page = open_page("/#/profiles")
    names = {profile["name"] for profile in httpx.get(f"{base_url}/v1/profiles").json()}
    expect(page.locator("article.profile")).to_have_count(len(names))
    card = page.locator("#profile-chartsimrl")
    expect(card.locator(".formula")).to_contain_text("R = R_attr + R_vis")
    expect(card.locator(".weights-list li")).to_have_count(2)
    expect(card.locator(".citation")).to_contain_text("arXiv:2508.17608")
