"""What README, docs and Makefile name is there."""

import importlib.util
import os
import re

import pytest
import yaml

from mmdet_flow.main import REFERENCE
from tests.conftest import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("envs/*.txt")),
    *sorted(ROOT.glob("rules/*.smk")),
]
FOLDERS = "docs|tests|envs|rules|profiles|schemas|presets|scripts"
# Results have a folder of the name benchmarks, too.
PATH = re.compile(
    rf"(?<![\w/.-])(?:(?:{FOLDERS})/[\w./*-]*\w|benchmarks/[\w-]+\.(?:py|yaml)\b)"
)
TEXTS = {".md", ".py", ".smk", ".yaml"}
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def missing(text: str, folder) -> list[str]:
    """Return the paths of the checkout, and the links, that lead nowhere."""
    # What make matrix and the like write is named with the option that says where.
    named = {ROOT / path for path in PATH.findall(text.replace("--output docs/", ""))}
    named |= {folder / path for path in LINK.findall(text)}
    patterns = {os.path.relpath(path, ROOT) for path in named}
    return sorted(one for one in patterns if not any(ROOT.glob(one)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page):
    assert missing(page.read_text(), page.parent) == []


def test_what_is_not_there_is_found():
    text = "`docs/nothing.md`, docs/data.md, tests/none/*.py, [page](away.md#part)"
    assert missing(text, ROOT / "docs") == [
        *("docs/away.md", "docs/nothing.md", "tests/none/*.py")
    ]


PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LARGEST_PICTURE = 250_000
"""Of what a page shows, in bytes: a clone takes all of them."""


@pytest.mark.parametrize(
    "page", [one for one in PAGES if PICTURE.search(one.read_text())]
)
def test_each_picture_is_small_and_told_in_words(page):
    for words, target in PICTURE.findall(page.read_text()):
        assert len(words.split()) >= 4, f"{target}: say what is seen"
        assert 0 < (page.parent / target).stat().st_size < LARGEST_PICTURE, target


def test_each_picture_is_shown():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for _, target in PICTURE.findall(page.read_text())
    }
    kept = {one for end in ("jpg", "png", "svg") for one in ROOT.glob(f"docs/*.{end}")}
    assert kept - shown == set()


def test_each_page_is_in_the_navigation_of_the_site():
    named = re.findall(r"[\w-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {page.name for page in ROOT.glob("docs/*.md")}
    assert pages - set(named) == set()
    assert len(named) == len(set(named))


def test_the_generated_pages_are_up_to_date():
    """``make docs`` writes them."""
    path = ROOT / "docs/reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    for name, page in reference.PAGES.items():
        assert (ROOT / "docs" / name).read_text() == page(), f"{name}: run make docs"


def test_the_site_takes_its_scripts_along():
    """Else the plug-in offline fetches what search needs from the network."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    scripts = site["extra"]["polyfills"]
    assert any("iframe-worker" in one for one in scripts)  # the plug-in looks for that
    assert [one for one in scripts if not (ROOT / "docs" / one).is_file()] == []


def old_names(text: str) -> set[str]:
    """Return what is called like a command that is none."""
    words = re.findall(r"(?<![\w.])mmdet_[a-z_]+\b(?!\()", text)
    known = {*REFERENCE, "mmdet_flow", "mmdet_redis"}
    return {one for one in words if one not in known and "mmdet_redis_" not in one}


@pytest.mark.parametrize(
    "folder", ["docs", "rules", "scripts", "benchmarks", "schemas"]
)
def test_no_page_and_no_source_names_a_command_that_is_gone(folder):
    files = [
        path
        for path in (ROOT / folder).rglob("*")
        if path.suffix in TEXTS and path.parent.name != "workflow"
    ]
    found = {path: old_names(path.read_text(encoding="utf-8")) for path in files}
    assert {path: names for path, names in found.items() if names} == {}
