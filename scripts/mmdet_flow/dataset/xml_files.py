"""XML files of annotations."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text, read_whole


def read_root(path: Path, tag: str) -> Element:
    """Return the root of a file; DataError if it is broken, or has another tag.

    Where the encoding that it declares does not fit, as after an editor saved it in
    another one, or has several bytes a sign, the file is read as text.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    content = read_whole(path)
    try:
        try:
            root = fromstring(content)
        except (ParseError, ValueError):
            root = fromstring(_as_text(path, content))
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(f"broken XML: {error}") from None
    if root.tag != tag:
        raise DataError(f"its root is <{root.tag}>, not <{tag}>")
    return root


def _as_text(path: Path, content: bytes) -> str:
    try:
        return read_text(path)
    except DataError:
        declared = re.match(rb"""<\?xml[^>]*encoding=["']([\w.-]+)""", content)
        if not declared:
            raise
        return content.decode(declared[1].decode("ascii"))
