"""Texts without secrets, and without the places of one machine."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmdet_flow.errors import FlowError

HIDDEN = "***"
SHORTEST = 6
"""A value of the environment that is shorter would hide words that are none."""

LONGEST_LINE = 600
"""Characters of a message that quotes what somebody wrote."""

UP_TO, LONG = "{0,200}", "{1,2000}"
"""Characters of names and addresses; without a limit, long texts would take hours."""

# A word of a name stands alone in it (`DB_PASS`, no `bypass`), and some end it
# (`REDISCLI_AUTH`, no `auth_method`). A name that says where a secret is tells none.
SECRET = (
    "(?:pass(?:word|phrase|wd|code)|token(?![a-z])|secret|credential|cookie"
    "|(?:api|access|private)[_-]?key"
    "|(?<![a-z])(?:pass|pw|pwd|auth|authorization|jwt)(?![\\w-])"
    "|(?<!sort)(?<!group)(?<!public)(?<!primary)(?<!foreign)[_-]key(?![\\w-]))"
    f"(?![\\w-]{UP_TO}[_-](?:file|path|dir|env)(?![\\w-]))"
)
SECRET_NAME = re.compile(SECRET, re.IGNORECASE)
NAME = rf"[\w.-]{UP_TO}{SECRET}[\w.-]{UP_TO}"
VALUE = r"\\*'[^']*'|\\*\"[^\"]*\"|[^\s'\"]+"
# An option or an assignment whose name says that its value is a secret.
GIVEN = re.compile(
    rf"(?<![\w.-])(--?{NAME}(?:\s+(?!-)|=)|{NAME}\\*['\"]?\s*[=:]\s*)({VALUE})",
    re.IGNORECASE,
)
HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie)(\s*:\s*)[^'\"\n]+", re.IGNORECASE
)
BEARER = re.compile(r"\b(Bearer\s+)[^\s'\",;]+", re.IGNORECASE)
# As base64 has it, or it is a plain word.
BASIC = re.compile(r"\b([Bb]asic\s+)(?=[a-z]*[A-Z0-9])[A-Za-z0-9+/]{6,}={0,2}")
USER = re.compile(
    rf"(\b\w+://)(?:[^\s/@:'\"]{UP_TO}:(?!\d{{1,5}}(?:/|$))[^\s'\"]{{0,2000}}|[^\s/@'\"]{LONG})@"
)
QUERY = re.compile(rf"(\b\w+://[^\s?'\"]{LONG}\?)[^\s'\"]+")
SIGNED = re.compile(
    r"([?&](?:[\w-]*sig(?:nature)?|x-amz-[\w-]+)=)[^\s&'\"]+", re.IGNORECASE
)
ABSOLUTE = re.compile(r"(?<![\w.:~*/\\-])/(?:[^\s'\":;,=/]+/)+(?=[^\s'\":;,=/])")


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Return the values of variables with the name of a secret, the longest first."""
    secrets = {
        value
        for name, value in environment.items()
        # PWD is the working folder.
        if name != "PWD" and SECRET_NAME.search(name) and len(value) >= SHORTEST
    }
    return sorted(secrets, key=lambda value: (-len(value), value))


def shown(text: str) -> str:
    """Return a line or a traceback for the terminal, without secrets.

    Those are of the environment, of addresses and of headers. Names of options stay
    as they are, since messages are about them. What a terminal would obey is escaped.
    """
    plain = "".join(one if one in "\n\t" else _escaped(one) for one in text)
    return _without_addresses(plain, secrets_of(os.environ))


def one_line(text: str) -> str:
    """Return a text for a message of one line: without its middle where it is long.

    What would break the line, or a terminal would obey, is escaped.
    """
    if len(text) > LONGEST_LINE:
        text = f"{text[: LONGEST_LINE // 2]} ... {text[-LONGEST_LINE // 2 :]}"
    return "".join(map(_escaped, text))


def for_clients(error: Exception) -> str:
    """Return what may be told elsewhere of an error on this machine.

    The line of one that a user can correct, without secrets and places; of any other
    one its type, as its text may hold anything.
    """
    if isinstance(error, FlowError):
        return one_line(Scrubber()(str(error)))
    return type(error).__name__


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode() if is_control(sign) else sign


def is_control(sign: str) -> bool:
    """Whether a character breaks lines or steers a terminal, or is none by itself."""
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")


def _without_addresses(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = USER.sub(rf"\1{HIDDEN}@", text)
    text = QUERY.sub(rf"\1{HIDDEN}", text)
    text = SIGNED.sub(rf"\1{HIDDEN}", text)
    text = HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = BEARER.sub(rf"\1{HIDDEN}", text)
    return BASIC.sub(rf"\1{HIDDEN}", text)


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
        self._secrets = secrets_of(environment)

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
        text = _without_addresses(text, self._secrets)
        text = GIVEN.sub(rf"\1{HIDDEN}", text)
        return ABSOLUTE.sub(".../", text.replace(self._folder, ""))
