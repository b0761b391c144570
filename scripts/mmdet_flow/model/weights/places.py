"""Places that files come from: a server over HTTP, an S3 bucket, or a folder.

Each gives a file from a position on. What it cannot give is ``Unavailable``, and what
ends before its end is ``Cut``: the rest may be asked for.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

BLOCK = 1 << 18
"""Bytes that are read at once."""

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 30.0
"""How long a server may take to be reached, and then to send the next bytes."""

RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")
"""Of an answer: the first byte, and the length of the whole file."""

TRY_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses of HTTP that tell of a moment."""


class Unavailable(Exception):
    """A place does not have the file, or cannot be reached."""


class Cut(Exception):
    """A place stopped before the end of a file."""


@dataclass(frozen=True)
class Answer:
    """A file from a position on.

    Attributes:
        blocks: its bytes.
        begin: the position of the first of them in the file.
        total: how long the place says that the file is, None if it does not say.
    """

    blocks: Iterable[bytes]
    begin: int = 0
    total: int | None = None


def place_in(mirror: str, path: str) -> str:
    """Return where a mirror has a file, as a URL or a path, like the mirror."""
    path = quote(path) if urlsplit(mirror).scheme else path
    return f"{mirror.rstrip('/')}/{path}"


def opened(
    place: str, begin: int = 0, silent: float = SILENT_SECONDS
) -> contextlib.AbstractContextManager[Answer]:
    """Return a context that has a file's bytes, from a position on if it can.

    ``silent`` is how many seconds a server may send nothing. Raises Unavailable, and
    Cut, which may also come while the blocks are read.
    """
    scheme = urlsplit(place).scheme
    if scheme in ("http", "https"):
        return _of_server(place, begin, silent)
    if scheme == "s3":
        return _of_bucket(place, begin, silent)
    if scheme in ("", "file"):
        path = unquote(urlsplit(place).path) if scheme else place
        return _of_folder(Path(path), begin)
    raise Unavailable("is no place; write https:, s3:, file: or a folder")


@contextlib.contextmanager
def _of_server(url: str, begin: int, silent: float) -> Iterator[Answer]:
    """Proxies, certificates and passwords (.netrc) are those of the environment."""
    import requests
    from requests import exceptions
    from urllib3.exceptions import HTTPError

    headers = {"Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, silent)
        ) as response:
            yield _answer(response, begin)
    except exceptions.ProxyError:
        raise Unavailable("its proxy cannot be reached") from None
    except exceptions.SSLError as error:
        raise Unavailable(f"its certificate is refused: {_inner(error)}") from None
    except exceptions.ConnectTimeout:
        raise Unavailable("cannot be reached: it does not answer") from None
    except exceptions.ReadTimeout:
        raise Cut(f"sends nothing for {silent:g} s") from None
    except exceptions.ConnectionError as error:
        raise _of_connection(error.args[0] if error.args else None, silent) from None
    except HTTPError as error:  # while the blocks are read
        raise _of_connection(error, silent) from None
    except exceptions.RequestException as error:
        raise Unavailable(f"cannot be asked: {_inner(error)}") from None


def _answer(response, begin: int) -> Answer:
    """Return what a server answers, if that is a file."""
    status = f"answers {response.status_code} {response.reason or ''}".rstrip()
    if response.status_code == 416:  # there is nothing behind that position
        return Answer((), begin)
    if response.status_code in TRY_AGAIN:
        raise Cut(status)
    if not response.ok:
        raise Unavailable(status)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise Unavailable("answers with a page, not with the file")
    blocks = _blocks_of(response.raw)
    if response.status_code != 206:
        length = response.headers.get("Content-Length", "")
        return Answer(blocks, 0, int(length) if length.isdecimal() else None)
    found = RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != begin:
        raise Unavailable("answers with another part of the file than was asked for")
    return Answer(blocks, begin, int(found[2]) if found[2] != "*" else None)


def _blocks_of(raw) -> Iterator[bytes]:
    """Yield what comes, as it comes: a whole block would be lost when it is cut off."""
    while block := raw.read1(BLOCK, decode_content=True):
        yield block


def _of_connection(cause: object, silent: float) -> Unavailable | Cut:
    """Return what a broken connection means: never begun, silent, or cut."""
    from urllib3.exceptions import MaxRetryError, ReadTimeoutError

    if isinstance(cause, MaxRetryError):
        return Unavailable(f"cannot be reached: {_inner(cause.reason)}")
    if isinstance(cause, ReadTimeoutError):
        return Cut(f"sends nothing for {silent:g} s")
    return Cut("ends before its end")


def _inner(error: object) -> str:
    """Return the last part of a message of urllib3, which says what happened."""
    return " ".join(str(error).rpartition(": ")[2].split())


@contextlib.contextmanager
def _of_bucket(url: str, begin: int, silent: float) -> Iterator[Answer]:
    try:
        from botocore import exceptions
    except ModuleNotFoundError:
        raise Unavailable("S3 takes boto3, which make storage installs") from None
    parts = urlsplit(url)
    asked = {"Bucket": parts.netloc, "Key": unquote(parts.path.lstrip("/"))}
    if begin:
        asked["Range"] = f"bytes={begin}-"
    try:
        found = _client(silent).get_object(**asked)
        total = begin + found["ContentLength"]
        yield Answer(found["Body"].iter_chunks(BLOCK), begin, total)
    except exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "InvalidRange":
            yield Answer((), begin)
            return
        raise Unavailable(f"answers {code}") from None
    except (exceptions.IncompleteReadError, exceptions.ResponseStreamingError):
        raise Cut("ends before its end") from None
    except exceptions.ReadTimeoutError:
        raise Cut(f"sends nothing for {silent:g} s") from None
    except exceptions.BotoCoreError as error:
        raise Unavailable(f"cannot be asked: {error}") from None


def _client(silent: float):
    """Return a client of S3, with the server and keys of Snakemake's own variables.

    Without keys it asks as somebody whom the server need not know.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    def given(name: str) -> str | None:
        return os.environ.get(f"SNAKEMAKE_STORAGE_S3_{name}") or None

    session = boto3.Session(
        aws_access_key_id=given("ACCESS_KEY"),
        aws_secret_access_key=given("SECRET_KEY"),
        aws_session_token=given("TOKEN"),
        region_name=given("REGION"),
    )
    known = session.get_credentials() is not None
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=silent,
        retries={"max_attempts": 2},
        signature_version=None if known else UNSIGNED,
    )
    return session.client("s3", endpoint_url=given("ENDPOINT_URL"), config=config)


@contextlib.contextmanager
def _of_folder(path: Path, begin: int) -> Iterator[Answer]:
    if not path.is_file():
        raise Unavailable("is no file" if path.exists() else "is not there")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise Unavailable(f"cannot be read: {error.strerror}") from None
    with stream:
        total = os.fstat(stream.fileno()).st_size
        stream.seek(begin)
        yield Answer(_blocks(stream), begin, total)


def _blocks(stream) -> Iterator[bytes]:
    # Not around the whole: what is raised there may be of the disk that is written to.
    try:
        while block := stream.read(BLOCK):
            yield block
    except OSError as error:
        raise Unavailable(f"cannot be read: {error.strerror}") from None
