"""HTML is written in the templates, and nowhere else."""

import ast
import re
from pathlib import Path

import jinja2
import pytest

import mmdet_flow
from mmdet_flow.pages.render import render

PACKAGE = Path(mmdet_flow.__file__).parent
HOME = PACKAGE / "pages"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if HOME not in path.parents)
MARKUP = {"html", "jinja2", "markdown_it", "markupsafe"}
SUFFIXES = {".css", ".html", ".js"}
TAG = re.compile(
    r"<!doctype|</?(a|b|body|br|button|code|div|em|figcaption|figure|footer|g|h\d|head"
    r"|header|hr|html|i|img|image|input|label|li|link|main|meta|nav|ol|option|p|path|pre"
    r"|rect|script|section|select|small|span|strong|style|svg|table|tbody|td|text|th"
    r"|thead|title|tr|ul|use)(\s|/?>|$)",
    re.IGNORECASE,
)


def texts_of(tree: ast.AST) -> list[str]:
    """Return all texts but docstrings."""
    nodes = list(ast.walk(tree))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


def imports_of(tree: ast.AST) -> set[str]:
    """Return the packages that are imported, wherever that stands."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_modules_hold_no_html():
    trees = {str(path): ast.parse(path.read_text()) for path in MODULES}
    texts = {(path, text) for path, tree in trees.items() for text in texts_of(tree)}
    assert {(path, text) for path, text in texts if TAG.search(text)} == set()
    assert [path for path, tree in trees.items() if imports_of(tree) & MARKUP] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = '</table>'", True),
        ("x = f'<td class={y}>'", True),
        ("x = '<br' + '>'", True),
        ("x = '<!DOCTYPE html>'", True),
        ("'''A file with <path> in it.'''", False),
        ("x = 'its root is <annotation>, and 3 < a'", False),
    ],
)
def test_html_is_recognised(source, found):
    assert any(TAG.search(text) for text in texts_of(ast.parse(source))) is found


def test_templates_have_one_home():
    files = [path for path in PACKAGE.rglob("*.*") if path.suffix in SUFFIXES]
    assert {path.parent for path in files} == {HOME / "templates"}


def test_one_place_says_that_html_is_safe():
    files = [*HOME.glob("*.py"), *(HOME / "templates").iterdir()]
    texts = [path.read_text() for path in files]
    assert sum(text.count("Markup(") for text in texts) == 1
    told = re.compile(r"\|\s*safe\b|\bautoescape (false|off)", re.IGNORECASE)
    assert not any(told.search(text) for text in texts)


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render("document.html", text="A page")
