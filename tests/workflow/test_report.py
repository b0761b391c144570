"""The report of Snakemake, made without a network and opened in a real Chromium."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.chromium import CHROMIUM, Page, chromium
from tests.conftest import ROOT, run_command
from tests.workflow.test_workflow import SMALL, snakemake, write_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

SHOWN = {
    "Data set": {
        *("annotated images", "images and objects", "plots of the data"),
    },
    "Evaluation": {
        *("all metrics", "calibration", "confusion of classes", "types of error"),
        *("each test image (CSV to download)", "precision, recall and F1"),
        "worst images",
    },
    "Model": {"changes of the base config", "model card", "training curves"},
    "Predictions": {"predictions on their images"},
    "Provenance": {"sources, data, jobs and hashes"},
    "Speed": {"training and prediction"},
}
KNOWN = ("cdn.tailwindcss.com should not be used in production", "Vega-Lite v3")
"""What Snakemake's own page warns of in the console, at each opening."""

NOWHERE = dict.fromkeys(
    ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
)
"""A proxy that is not there: whoever asks for a page of the network fails."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of a small experiment, with its report as HTML and as zip."""
    folder = tmp_path_factory.mktemp("workflow")
    write_config(folder, SMALL)
    run_command(
        "mmdet-flow start example",
        "--output",
        folder / "data/example",
        "--images",
        "20",
    )
    run = snakemake(folder)
    assert run.returncode == 0, run.stderr[-3000:]
    for suffix in ("html", "zip"):
        run = run_command(
            *("snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder),
            *("--report", folder / f"report.{suffix}"),
            *("--report-stylesheet", ROOT / "report/style.css"),
            **NOWHERE,
        )
        assert run.returncode == 0, run.stderr[-3000:]
    with zipfile.ZipFile(folder / "report.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(params=["report.html", "report/report.html"])
def page(request, results, tmp_path):
    """The page of the report, alone and unpacked from the zip."""
    with chromium(tmp_path / "profile", (1280, 720)) as opened:
        opened.open((results / request.param).as_uri())
        yield opened


def items_of(page: Page) -> dict[str, str]:
    """Return the paths of the items that the menu shows, by their label."""
    return page.run(
        """Object.fromEntries(categories[app.state.category][app.state.subcategory]
        .map((path) => [results[path].labels.what, path]))"""
    )


def open_folder(page: Page, name: str) -> None:
    """Go from the menu to a folder of the results."""
    page.run("app.setView({navbarMode: 'menu'})")
    page.click("Results", "a")
    page.click(name, "a")
    page.wait(f"app.state.subcategory === {json.dumps(name)}")


def look_at(page: Page, label: str, path: str) -> None:
    """Open an item by its eye; what it holds must be there, and not be cut."""
    page.run(
        f"""[...document.querySelectorAll("tr")].find((row) =>
        row.cells[0].textContent === {json.dumps(label)}).querySelector("a").click()"""
    )
    if not path.endswith(".png"):
        page.wait("document.body.innerText.length > 100", frame=True)
        return
    picture = f"document.querySelector('img[src*=\"{Path(path).name}\"]')"
    page.wait(f"({picture} || {{}}).naturalWidth > 300")
    top, left, right = (
        page.run(f"{picture}.getBoundingClientRect().{side}")
        for side in ("top", "left", "right")
    )
    # What is too high can be scrolled to; the report alone would cut its top off.
    assert top >= 0 and 0 <= left < right <= page.run("innerWidth"), label


def test_every_folder_opens_and_every_item_is_shown(page):
    page.wait("document.querySelectorAll('li').length > 2")
    (found,) = page.run("Object.values(categories)")
    assert found.keys() == SHOWN.keys()
    for name, labels in SHOWN.items():
        open_folder(page, name)
        items = items_of(page)
        assert items.keys() == labels
        for label, path in items.items():
            if not path.endswith(".csv"):
                look_at(page, label, path)
    wrong = [text for text in page.errors if not any(one in text for one in KNOWN)]
    assert wrong == []
    places = {re.match(r"[a-z]+:", address)[0] for address in page.requests}
    assert places <= {"file:", "data:", "blob:"}


def test_captions_are_short_and_name_no_machine(page, results):
    captions = page.run("Object.values(results).map((one) => one.caption)")
    assert len(captions) == sum(map(len, SHOWN.values()))
    for caption in captions:
        text = re.sub("<.*?>", " ", caption)
        assert 20 < len(text) < 350 and text.count(". ") <= 3, text
    assert str(results) not in page.run("JSON.stringify([results, workflow_desc])")
