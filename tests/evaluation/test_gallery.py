import base64
import json
import re

import cv2
import numpy as np
import pytest

from mmdet_flow.colours import rgb
from mmdet_flow.dataset.coco import CocoFile
from tests.chromium import CHROMIUM, chromium
from tests.conftest import command_of
from tests.evaluation.scenes import CLASSES, SIZE, found_in, truth_of

main = command_of("evaluate gallery")

TITLE = "cells & <leaves>"
LEAF, SHELL = ("leaf", 10, 10, 40, 40), ("shell", 55, 55, 30, 30)
TRUTH = ([LEAF, SHELL], [LEAF], [SHELL], [])
FOUND = (
    [(*LEAF, 0.9), ("pebble", *SHELL[1:], 0.8)],
    [(*LEAF, 0.9)],
    [("shell", 5, 5, 20, 20, 0.7)],
    [],
)
"""Image 1 has a wrong class, 2 is right, 3 a false and a missed shell, 4 nothing."""


@pytest.fixture
def page(tmp_path):
    """Return a function that makes the gallery and returns its path."""
    truth = truth_of(*TRUTH)
    truth.write(tmp_path / "truth.json")
    (tmp_path / "found.json").write_text(json.dumps(found_in(*FOUND)))
    for image in truth.images:
        pixels = np.full((SIZE, SIZE, 3), 40 * image["id"], np.uint8)
        cv2.imwrite(str(tmp_path / image["file_name"]), pixels)

    def make(*options) -> str:
        code = main(
            [
                *("--annotations", str(tmp_path / "truth.json")),
                *("--detections", str(tmp_path / "found.json")),
                *("--images", str(tmp_path), "--output", str(tmp_path / "page.html")),
                *("--title", TITLE, *options),
            ]
        )
        assert code == 0
        return tmp_path / "page.html"

    return make


def cards_of(text: str) -> list[str]:
    return re.findall(r'<figure class="card".*?</figure>', text, re.S)


def test_the_worst_images_come_first(page):
    text = page().read_text()
    names = [re.search(r"<b>(.*?)</b>", card)[1] for card in cards_of(text)]
    assert names == ["3.png", "1.png", "2.png", "4.png"]
    assert "all 4 images" in text
    assert "cells &amp; &lt;leaves&gt;" in text and TITLE not in text


def test_the_number_of_images_is_limited_and_said(page):
    text = page("--gallery-images", "1").read_text()
    assert len(cards_of(text)) == 1
    assert "the worst 1 of 4 images" in text
    # The surest candidate is in another image.
    assert text.count('class="candidate"') == 1


def test_an_excerpt_is_small_enough_for_a_report(page, tmp_path, monkeypatch):
    text = page("--excerpt", str(tmp_path / "worst.html")).read_text()
    assert (tmp_path / "worst.html").read_text() == text
    monkeypatch.setattr("mmdet_flow.evaluation.gallery.EXCERPT_BYTES", len(text) - 1)
    page("--excerpt", str(tmp_path / "worst.html"))
    excerpt = (tmp_path / "worst.html").read_text()
    assert 0 < len(cards_of(excerpt)) < 4 and len(excerpt) < len(text)
    assert "3.png" in cards_of(excerpt)[0]


def test_the_page_needs_nothing_else(page, tmp_path):
    text = page().read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert links and all(link.startswith(("data:image/jpeg", "#")) for link in links)
    assert "http:" not in text and "https:" not in text and "url(" not in text
    assert str(tmp_path) not in text
    assert "default-src &#39;none&#39;" in text


def test_the_same_bytes_again(page):
    first = page().read_bytes()
    page().unlink()
    assert page().read_bytes() == first


def test_outlines_say_what_became_of_them(page):
    card = next(card for card in cards_of(page().read_text()) if "1.png" in card)
    shapes = re.findall(
        r'<g class="shape (\w+) \w* c\d" data-error="(\w*)" data-classes="([\d ]+)">'
        r"<title>(.*?)</title>",
        card,
    )
    pebble, shell = CLASSES.index("pebble"), CLASSES.index("shell")
    wrong = next(shape for shape in shapes if shape[1] == "classification")
    assert wrong[2] == f"{pebble} {shell}"
    assert wrong[3] == "pebble 0.80: classification error, annotated shell, IoU 1.00"
    assert [shape[1] for shape in shapes if shape[0] == "truth"] == ["", ""]


def test_large_pictures_are_made_smaller(page, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (1600, 1200, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "2.png"), noise)
    coco = CocoFile.read(tmp_path / "truth.json")
    coco.images[1].update(width=1200, height=1600)
    coco.write(tmp_path / "truth.json")
    card = next(card for card in cards_of(page().read_text()) if "2.png" in card)
    encoded = re.search(r"base64,([^\"]+)", card)[1]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), 1)
    assert picture.shape == (800, 600, 3)
    assert 'viewBox="0 0 1200 1600"' in card


PROBE = """
(() => {
  const shown = (selector) => [...document.querySelectorAll(selector)]
    .filter((figure) => !figure.hidden)
    .map((figure) => figure.querySelector("b").textContent);
  const choose = (label, error) => {
    byId("class").value = label;
    byId("error").value = error;
    byId("class").dispatchEvent(new Event("change"));
    return { cards: shown(".card"), status: byId("count").textContent,
             candidates: shown(".candidate"),
             dim: document.querySelectorAll(".dim").length };
  };
  const found = {
    all: choose("", ""), leaf: choose("0", ""), any: choose("", "any"),
    wrongPebble: choose("1", "classification"), missed: choose("", "missed"),
    none: choose("1", "missed"), again: choose("", ""),
  };
  const card = document.querySelector(".card");
  const width = () => Math.round(card.getBoundingClientRect().width);
  const truth = card.querySelector(".truth .line");
  found.width = [width()];
  card.querySelector("button").click();
  found.width.push(width());
  found.pressed = card.querySelector("button").getAttribute("aria-pressed");
  byId("truth").click();
  found.truth = getComputedStyle(truth.parentNode).display;
  found.picture = document.querySelector("image").getBoundingClientRect().width > 0;
  found.crop = document.querySelector("use").getBoundingClientRect().width > 0;
  return found;
})()
"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_filters_work_in_chromium_without_errors(page, tmp_path):
    made = page()
    with chromium(tmp_path / "profile", (1300, 900)) as browser:
        browser.open(made.as_uri())
        found = browser.run(PROBE)
        assert browser.errors == []
    everything = ["3.png", "1.png", "2.png", "4.png"]
    assert found["all"]["cards"] == found["again"]["cards"] == everything
    assert found["all"]["status"] == "4 of 4 images" and found["again"]["dim"] == 0
    assert found["all"]["candidates"] == ["swapped class?", "overlooked?"]
    assert found["leaf"]["cards"] == ["1.png", "2.png"]
    assert found["any"]["cards"] == ["3.png", "1.png"]
    assert found["wrongPebble"]["cards"] == ["1.png"]
    assert found["wrongPebble"]["candidates"] == ["swapped class?"]
    assert found["wrongPebble"]["dim"] > 0
    assert found["missed"]["cards"] == ["3.png"]
    assert found["missed"]["status"] == "1 of 4 images"
    assert found["none"]["cards"] == []
    assert found["width"][1] > 2 * found["width"][0] and found["pressed"] == "true"
    assert found["truth"] == "none"
    assert found["picture"] and found["crop"]


CROWD = [
    ("leaf", 5 + 9 * n % 60, 3 + 7 * n % 70, 20, 20, 0.95 - n / 100) for n in range(60)
]
BOXES_OF_NAMES = """
[...document.querySelectorAll(".card")].map((card) => {
  const svg = card.querySelector("svg").getBoundingClientRect();
  const sides = (one) => {
    const { left, top, right, bottom } = one.getBoundingClientRect();
    return [left - svg.left, top - svg.top, right - svg.left, bottom - svg.top];
  };
  const seen = (one) => one.getBoundingClientRect().width > 0;
  const all = (name) =>
    [...card.querySelectorAll(`svg ${name}`)].filter(seen).map(sides);
  return { size: [svg.width, svg.height], names: all("rect"), texts: all("text") };
})
"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("enlarged", [False, True])
def test_names_are_in_the_picture_and_cover_none_other(page, tmp_path, enlarged):
    (tmp_path / "found.json").write_text(json.dumps(found_in(CROWD, CROWD[:2], [], [])))
    made = page()
    with chromium(tmp_path / "profile") as browser:
        browser.open(made.as_uri())
        if enlarged:
            buttons = "document.querySelectorAll('.enlarge')"
            browser.run(f"{buttons}.forEach((one) => one.click())")
        found = browser.run(BOXES_OF_NAMES)
        assert browser.errors == []
    counts = []
    for card in found:
        width, height = card["size"]
        counts.append(len(card["names"]))
        for box, text in zip(card["names"], card["texts"], strict=True):
            assert box[0] - 1 <= text[0] and text[2] <= box[2] + 1
            assert box[1] - 1 <= text[1] and text[3] <= box[3] + 1
        for number, (left, top, right, bottom) in enumerate(card["names"]):
            assert left >= -1 and top >= -1
            assert right <= width + 1 and bottom <= height + 1
            for a, b, c, d in card["names"][:number]:
                beside = left >= c - 1 or a >= right - 1
                assert beside or top >= d - 1 or b >= bottom - 1
    assert sorted(counts)[:3] == [0, 1, 2]
    # Of 60 detections and a missed object: an enlarged picture has room for all.
    assert max(counts) == 61 if enlarged else 10 < max(counts) < 50


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_colours_are_those_of_errors_or_of_classes(page, tmp_path):
    made = page()
    line = "getComputedStyle(document.querySelector('.card .found .line')).stroke"
    legends = "[...document.querySelectorAll('.legend')]"
    legends += ".map((one) => getComputedStyle(one).display)"
    with chromium(tmp_path / "profile") as browser:
        browser.open(made.as_uri())
        assert browser.run(line) == "rgb(157, 106, 254)"  # background
        assert browser.run(legends) == ["flex", "none"]
        browser.run(
            "byId('colours').value = 'by-class';"
            "byId('colours').dispatchEvent(new Event('change'))"
        )
        assert browser.run(line) == f"rgb{rgb(CLASSES.index('shell'))}"
        assert browser.run(legends) == ["none", "flex"]
