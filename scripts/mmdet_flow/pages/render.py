"""How templates become pages: each value is text in them, whatever it holds."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

SHEET = "page.css"
"""The style sheet of all pages."""


def render(template: str, **values) -> str:
    """Return the page that a template of this package makes of these values."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"data_uri": data_uri, "markdown": markdown}
    environment.globals["policy"] = policy
    return environment


def policy(scripts: Sequence[str], sources: str) -> str:
    """Return the Content-Security-Policy of a page.

    It allows the style sheet and these scripts of ours, by their hashes, and what
    ``sources`` says besides; nothing else, neither in attributes nor from elsewhere.
    """
    hashes = " ".join(map(_hash_of, scripts))
    return (
        f"default-src 'none'; style-src {_hash_of(SHEET)}; script-src {hashes}; "
        f"{sources}; base-uri 'none'; form-action 'none'"
    )


@cache
def _hash_of(name: str) -> str:
    """Return the hash of a file that pages hold as it is, in the words of a policy."""
    content = files(__package__).joinpath("templates", name).read_bytes()
    return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"


def data_uri(content: bytes, media_type: str) -> str:
    """Return the address of a picture that a page itself holds."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def markdown(text: str) -> "Markup":
    """Return Markdown as HTML; HTML inside of it is shown as text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    # The one place that says of HTML that it is safe: with "html" off the parser lets
    # no tag of the text through, and no link that would run code.
    return Markup(parser.render(text))


def _table_open(renderer, tokens, place, options, _) -> str:
    """Put a table into a box in which it scrolls sideways."""
    return '<div class="scroll">' + renderer.renderToken(tokens, place, options, _)


def _table_close(renderer, tokens, place, options, _) -> str:
    return renderer.renderToken(tokens, place, options, _) + "</div>\n"
