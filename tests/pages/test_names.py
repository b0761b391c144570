"""Names of classes, files and experiments are text in every page."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from mmdet_flow.pages import render
from tests.pages.made import ODD, PAGES, PLAIN


class Parsed(HTMLParser):
    """What a browser makes of a page.

    Attributes:
        tags: the elements with the names of their attributes, and all of a script.
        texts: of elements and attributes.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.append((tag, *(name for name, _ in attributes)))
        self.texts += [value or "" for _, value in attributes]

    def handle_data(self, data) -> None:
        if self.cdata_elem:
            self.tags.append((self.cdata_elem, data))
        else:
            self.texts.append(data)

    def handle_endtag(self, tag) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data) -> None:
        self.tags.append(("comment", data))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.mark.parametrize("page", PAGES)
def test_names_change_nothing_but_texts(pages, page):
    plain, odd = (Parsed(pages[one][page].read_text()) for one in (PLAIN, ODD))
    assert odd.tags == plain.tags
    shown = [
        odd_name
        for name, odd_name in zip(PLAIN, ODD, strict=True)
        if name in plain.text
    ]
    assert shown and all(name.strip() in odd.text for name in shown)


def test_every_template_is_tried():
    folder = Path(render.__file__).parent / "templates"
    pages = [path.name for path in folder.iterdir() if "{% extends" in path.read_text()]
    assert set(pages) == set(PAGES.values())
