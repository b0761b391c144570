"""Texts without secrets, and without the places of one machine."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

HIDDEN = "***"
SHORTEST = 6
"""A value of the environment that is shorter would hide words that are none."""

SECRET = (
    "(?:pass(?:word|phrase|wd)|token(?![a-z])|secret|credential"
    "|(?:api|access|private)[_-]?key)"
)
SECRET_NAME = re.compile(SECRET, re.IGNORECASE)
NAME = rf"[\w.-]*{SECRET}[\w.-]*"
VALUE = r"'[^']*'|\"[^\"]*\"|[^\s'\"]+"
# An option or an assignment whose name says that its value is a secret.
GIVEN = re.compile(
    rf"(--?{NAME}(?:\s+|=)|{NAME}['\"]?\s*[=:]\s*)({VALUE})", re.IGNORECASE
)
USER = re.compile(r"(\w+://)[^\s/@'\"]+@")
QUERY = re.compile(r"(\w+://[^\s?'\"]+\?)[^\s'\"]+")
ABSOLUTE = re.compile(r"(?<![\w.:~*/\\-])/(?:[^\s'\":;,=/]+/)+(?=[^\s'\":;,=/])")


class Scrubber:
    """Takes out secrets and places; ``folder`` is where relative paths begin.

    Secrets are passwords and queries of URLs, values of options and keys with such a
    name, and the values of variables of the environment with such a name. Of a path
    outside of the folder its last name is left.
    """

    def __init__(
        self, folder: Path | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._folder = f"{(folder or Path.cwd()).resolve()}/"
        secrets = (
            value
            for name, value in environment.items()
            if SECRET_NAME.search(name) and len(value) >= SHORTEST
        )
        self._secrets = sorted(secrets, key=len, reverse=True)

    def __call__(self, value):
        """Return a text, or lists and dictionaries of them, without all of that."""
        if isinstance(value, Mapping):
            return {
                key: HIDDEN if SECRET_NAME.search(key) and one else self(one)
                for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self(one) for one in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = USER.sub(rf"\1{HIDDEN}@", text)
        text = QUERY.sub(rf"\1{HIDDEN}", text)
        text = GIVEN.sub(rf"\1{HIDDEN}", text)
        return ABSOLUTE.sub(".../", text.replace(self._folder, ""))
