"""All pages have one look, and a policy that allows what they hold and nothing else."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from mmdet_flow.pages.render import render
from tests.chromium import CHROMIUM, chromium
from tests.conftest import ROOT
from tests.pages.made import ODD, PAGES, PLAIN

TEMPLATES = ROOT / "scripts/mmdet_flow/pages/templates"
LIVE = {"watch", "watched"}
"""Pages that a server answers with; they ask it for pictures and for news."""

NARROW = 360
in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


class Content(HTMLParser):
    """What the policy and the sheet are about.

    Attributes:
        texts: of the elements that hold no markup, by their name.
        tags: all elements, as (name, attributes).
        boxes: of each table, the class of the element that it is in.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"style": [], "script": []}
        self.tags: list[tuple[str, dict]] = []
        self.boxes: list[str | None] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes) -> None:
        if tag == "table":
            self.boxes.append(self.tags[-1][1].get("class"))
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data) -> None:
        if self.cdata_elem:
            self.texts[self.cdata_elem].append(data)

    def meta(self, key: str, value: str) -> str:
        """Return the content of the only meta element of that kind."""
        found = [
            own for tag, own in self.tags if tag == "meta" and own.get(key) == value
        ]
        assert len(found) == 1, (value, found)
        return found[0]["content"]

    @property
    def policy(self) -> dict[str, list[str]]:
        """What each directive of the policy allows."""
        parts = self.meta("http-equiv", "Content-Security-Policy").split(";")
        return {name: values for name, *values in map(str.split, parts)}


def hashes_of(texts: list[str]) -> list[str]:
    """Return texts in the words of a policy."""
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return [f"'sha256-{base64.b64encode(one).decode()}'" for one in digests]


@pytest.fixture(params=[(names, page) for names in (PLAIN, ODD) for page in PAGES])
def one(request, pages):
    """Name and content of each page."""
    names, page = request.param
    return page, Content(pages[names][page].read_text())


def test_the_policy_allows_the_sheet_the_scripts_and_nothing_else(one):
    name, page = one
    expected = {
        "default-src": ["'none'"],
        "style-src": hashes_of(page.texts["style"]),
        "script-src": hashes_of(page.texts["script"]),
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    if name in LIVE:
        expected |= {"img-src": ["'self'"], "connect-src": ["'self'"]}
    assert page.policy == expected


def test_nothing_is_in_a_page_that_its_policy_would_block(one):
    name, page = one
    for tag, attributes in page.tags:
        assert tag not in {"link", "base", "form", "iframe", "object", "embed"}
        handlers = [key for key in attributes if key == "style" or key.startswith("on")]
        assert handlers == []
        if tag == "script":
            assert attributes == {}
        if tag in {"img", "image"}:
            start = "/pictures/" if name in LIVE else "data:image/"
            assert attributes.get("src", attributes.get("href")).startswith(start)


def test_all_pages_have_the_same_sheet_and_fit_narrow_windows(one):
    _, page = one
    assert page.texts["style"] == [(TEMPLATES / "page.css").read_text()]
    assert page.meta("name", "viewport") == "width=device-width, initial-scale=1"


def test_tables_scroll_in_their_boxes_and_can_be_sorted(one):
    _, page = one
    assert set(page.boxes) <= {"scroll"}
    assert (TEMPLATES / "tables.js").read_text() in page.texts["script"]
    heads = [tag for tag, _ in page.tags if tag == "thead"]
    assert len(heads) == len(page.boxes)


def test_the_sheet_is_for_light_and_dark_for_narrow_windows_and_for_paper():
    sheet = (TEMPLATES / "page.css").read_text()
    for words in ("color-scheme: light dark", "(max-width: 40rem)", "@media print"):
        assert words in sheet
    assert not re.search(r"url\(|@import|expression", sheet)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def narrow(browser):
    """A browser with a narrow window, and nothing in its console."""
    size = {"width": NARROW, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    browser.errors.clear()
    return browser


def missing(error: str) -> bool:
    """Whether an error is that of a live page, whose pictures a file has not."""
    return "ERR_FILE_NOT_FOUND" in error


SORTABLE = """
[...document.querySelectorAll("table")]
  .filter((one) => one.tBodies[0].rows.length > 1 && one.tHead.textContent.trim())
  .flatMap((one) => [...one.tHead.rows[0].cells])
  .every((head) => head.firstElementChild?.localName === "button")
"""
"""Whether all heads are buttons, where there are rows to sort and heads to click."""


@in_chromium
def test_no_page_is_wider_than_a_narrow_window_or_holds_what_is_blocked(pages, narrow):
    for names in (PLAIN, ODD):
        for name, path in pages[names].items():
            narrow.open(path.as_uri())
            assert narrow.run("innerWidth") == NARROW
            wide = narrow.run("document.documentElement.scrollWidth")
            assert wide <= NARROW, (name, wide)
            assert narrow.run(SORTABLE), name
            assert narrow.run("getComputedStyle(document.body).marginTop") == "0px"
    assert [one for one in narrow.errors if not missing(one)] == []


@in_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_light_and_dark(pages, narrow, scheme):
    """All have a contrast of 4.5 or more, as WCAG 2.2 wants it of texts."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    narrow.call("Emulation.setEmulatedMedia", features=features)
    for name in ("gallery", "comparison", "leaderboard", "model_card", "watch"):
        narrow.open(pages[PLAIN][name].as_uri())
        least = narrow.run(CONTRAST)
        assert least["contrast"] >= 4.5, (name, least)
    assert (narrow.run("scheme()") == "dark") == (scheme == "dark")


CONTRAST = """
var parts = (text) => text.match(/[\\d.]+/g).map(Number);
var light = (rgb) => [0.2126, 0.7152, 0.0722].reduce(
  (sum, share, place) => sum + share * linear(rgb[place] / 255), 0);
var linear = (value) =>
  value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
var behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const found = parts(getComputedStyle(one).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
var contrast = (one) => {
  const both = [light(parts(getComputedStyle(one).color)), light(behind(one))];
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
};
var scheme = () => light(behind(document.body)) < 0.5 ? "dark" : "light";
[...document.querySelectorAll("h1, h2, p, th, td, small, figcaption, a, li, code")]
  .filter((one) => one.textContent.trim() && !one.closest(".waiting"))
  .map((one) => ({ contrast: contrast(one), text: one.textContent.slice(0, 50) }))
  .sort((a, b) => a.contrast - b.contrast)[0];
"""


@in_chromium
def test_what_is_not_ours_is_blocked(pages, narrow, tmp_path):
    text = pages[PLAIN]["card"].read_text()
    foreign = '<script>document.title = "run"</script><p style="width: 999px">a</p>'
    path = tmp_path / "foreign.html"
    path.write_text(text.replace("</main>", f"{foreign}</main>"))
    narrow.open(path.as_uri())
    assert narrow.run("document.title") == "Data set"
    assert narrow.run("document.documentElement.scrollWidth") <= NARROW
    assert len(narrow.errors) == 2
    assert all("Content Security Policy" in error for error in narrow.errors)


HEADER = ("name", "value", "size")
ROWS = (
    ("b10", "0.9", "640x480"),
    ("b9", "1,200", "64x48"),
    ("a", "n/a", ""),
    ("c", "-0.25 to 1", "1280x960"),
    ("d", "+0.05 \u00b1 1", "9x9"),
)
AS_MADE = ["b10", "b9", "a", "c", "d"]
ORDERS = {
    "name": (["a", "b9", "b10", "c", "d"], ["d", "c", "b10", "b9", "a"]),
    "value": (["c", "d", "b10", "b9", "a"], ["b9", "b10", "d", "c", "a"]),
    "size": (["d", "b9", "b10", "c", "a"], ["c", "b10", "b9", "d", "a"]),
}
"""Up and down: numbers by value, texts by the numbers in them, what is missing last."""


def names_in(page) -> list[str]:
    cells = "document.querySelectorAll('tbody tr > :first-child')"
    return page.run(f"[...{cells}].map((cell) => cell.firstChild.textContent)")


def sorted_by(page) -> list[str | None]:
    heads = "document.querySelectorAll('thead th')"
    return page.run(f"[...{heads}].map((head) => head.getAttribute('aria-sort'))")


@pytest.fixture
def table(narrow, tmp_path):
    """A page with one table."""
    path = tmp_path / "table.html"
    values = {"left_out": 0, "sizes": "", "warning": "", "pictures": []}
    path.write_text(render("card.html", title="T", header=HEADER, rows=ROWS, **values))
    narrow.open(path.as_uri())
    return narrow


@in_chromium
@pytest.mark.parametrize("head", HEADER)
def test_a_click_on_a_head_sorts_and_the_third_undoes_it(table, head):
    place = HEADER.index(head)
    for order, state in zip(ORDERS[head], ("ascending", "descending"), strict=True):
        table.click(head, "th > button")
        assert names_in(table) == order
        assert sorted_by(table) == [state if n == place else None for n in range(3)]
    table.click(head, "th > button")
    assert names_in(table) == AS_MADE and sorted_by(table) == [None] * 3
    assert table.errors == []


@in_chromium
def test_tables_are_sorted_by_the_keyboard(table):
    def press(key: str, code: int, **text) -> None:
        for kind in ("keyDown", "keyUp"):
            own = {"key": key, "code": key, "windowsVirtualKeyCode": code, **text}
            table.call("Input.dispatchKeyEvent", type=kind, **own)

    press("Tab", 9)
    while table.run("document.activeElement.textContent") != "value":
        press("Tab", 9)
    press("Enter", 13, text="\r")
    assert names_in(table) == ORDERS["value"][0]


@in_chromium
def test_members_stay_with_the_row_that_they_belong_to(narrow, tmp_path):
    rows = [
        {
            "name": name,
            "is_member": seeds is None,
            "seeds": seeds,
            "cells": [(value, "")],
        }
        for name, seeds, value in (
            *(("x", 2, "0.5"), ("x0", None, "0.9"), ("x1", None, "0.1")),
            *(("y", 0, "0.3"), ("z", 0, "0.7")),
        )
    ]
    table = {"images": 3, "test_set": "ab", "header": ["mAP"], "rows": rows}
    path = tmp_path / "board.html"
    path.write_text(render("leaderboard.html", title="Board", tables=[table]))
    narrow.open(path.as_uri())
    narrow.click("mAP", "th > button")
    assert [name.split()[0] for name in names_in(narrow)] == ["y", "x", "x0", "x1", "z"]


@in_chromium
def test_on_paper_there_are_no_tools_and_nothing_is_cut(pages, browser):
    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.open(pages[PLAIN]["gallery"].as_uri())
    tools = "getComputedStyle(document.querySelector('.tools')).display"
    assert browser.run(tools) == "none"
    browser.open(pages[PLAIN]["leaderboard"].as_uri())
    box = "getComputedStyle(document.querySelector('.scroll')).overflowX"
    assert browser.run(box) == "visible"
    browser.call("Emulation.setEmulatedMedia", media="")
