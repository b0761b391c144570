"""How templates become pages: each value is text in them, whatever it holds."""

import base64
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


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
    return environment


def data_uri(content: bytes, media_type: str) -> str:
    """Return the address of a picture that a page itself holds."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def markdown(text: str) -> "Markup":
    """Return Markdown as HTML; HTML inside of it is shown as text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    # The one place that says of HTML that it is safe: with "html" off the parser lets
    # no tag of the text through, and no link that would run code.
    return Markup(parser.render(text))
