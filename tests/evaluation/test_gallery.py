import base64
import json
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from mmdet_flow.dataset.coco import CocoFile
from tests.conftest import command_of
from tests.evaluation.scenes import CLASSES, SIZE, found_in, truth_of

main = command_of("evaluate gallery")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
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
    assert "default-src 'none'" in text


def test_the_same_bytes_again(page):
    first = page().read_bytes()
    page().unlink()
    assert page().read_bytes() == first


def test_outlines_say_what_became_of_them(page):
    card = next(card for card in cards_of(page().read_text()) if "1.png" in card)
    shapes = re.findall(
        r'<g class="shape (\w+) \w*" data-error="(\w*)" data-classes="([\d ]+)">'
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
<script>
function shown(selector) {
  return [...document.querySelectorAll(selector)]
    .filter((figure) => !figure.hidden)
    .map((figure) => figure.querySelector("b").textContent);
}
function choose(label, error) {
  byId("class").value = label;
  byId("error").value = error;
  byId("class").dispatchEvent(new Event("change"));
  return { cards: shown(".card"), status: byId("count").textContent,
           candidates: shown(".candidate"),
           dim: document.querySelectorAll(".dim").length };
}
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
console.error("the probe speaks");
document.body.innerHTML = "";
document.body.textContent = "PROBE" + JSON.stringify(found) + "END";
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_filters_work_in_chromium_without_errors(page, tmp_path):
    probed = tmp_path / "probed.html"
    probed.write_text(page().read_text().replace("</body>", PROBE + "</body>"))
    run = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--disable-sync", "--no-first-run", "--enable-logging=stderr"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1300,900"),
            *("--dump-dom", probed.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    spoken = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    assert len(spoken) == 1 and "the probe speaks" in spoken[0], run.stderr[-2000:]
    found = json.loads(re.search("PROBE({.*})END", run.stdout)[1])
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
