"""The one Label Studio whose images are fetched, with a token of its user."""

import json
import re
import threading
import time
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from mmdet_flow.errors import UsageError
from mmdet_flow.hints.request import RequestError

FILES = ("/data/upload/", "/data/local-files/", "/storage-data/uploaded/")
"""Where Label Studio has files; with our token, nothing else is asked for."""

REFRESH = "/api/token/refresh/"
FRESH = 60
"""Seconds for which an access token is used; Label Studio takes it for five minutes."""

LARGEST_ANSWER = 1 << 20
PATIENCE = 30


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_) -> None:
        """Follow nothing: it may lead to another host, and takes the token there."""


class Host:
    """A Label Studio at an address, such as http://127.0.0.1:8080.

    ``token`` is an access token of a user, of the old kind or a personal one, which is
    exchanged for one that lasts some minutes. Raises UsageError for what is no address.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        place = urlsplit(address)
        if place.scheme not in ("http", "https") or not place.hostname or place.query:
            raise UsageError(
                f"--label-studio {address}: is no address; write it as "
                "http://127.0.0.1:8080"
            )
        if place.username or place.password:
            raise UsageError(
                "--label-studio: no user and no password belong there; set a token in "
                "the environment"
            )
        self._origin = _origin(place)
        self._base = f"{place.scheme}://{place.netloc}{place.path.rstrip('/')}"
        self._prefix = place.path.rstrip("/")
        self._token = token
        self._access, self._since = "", -float("inf")
        self._lock = threading.Lock()
        self._opener = build_opener(_NoRedirect)

    def has(self, place: SplitResult) -> bool:
        """Whether an address is a file of this Label Studio, and nothing else of it."""
        if (place.scheme or place.netloc) and _origin(place) != self._origin:
            return False
        path = unquote(place.path).removeprefix(self._prefix)
        plain = path.isprintable() and "\\" not in path and ".." not in path.split("/")
        return plain and path.startswith(FILES)

    def read(self, place: SplitResult, max_bytes: int) -> bytes:
        """Return the content of a file; RequestError where there is none to get."""
        path = unquote(place.path).removeprefix(self._prefix)
        query = f"?{quote(place.query, safe='=&%/+')}" if place.query else ""
        request = Request(f"{self._base}{quote(path)}{query}")
        for name, value in self._authorization().items():
            request.add_header(name, value)
        content = self._get(request, max_bytes)
        if len(content) > max_bytes:
            raise RequestError(f"the image has more than {max_bytes} bytes")
        return content

    def _authorization(self) -> dict[str, str]:
        if not self._token:
            return {}
        if re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", self._token):
            return {"Authorization": f"Bearer {self._fresh_access()}"}
        return {"Authorization": f"Token {self._token}"}

    def _fresh_access(self) -> str:
        with self._lock:
            if time.monotonic() - self._since > FRESH:
                body = json.dumps({"refresh": self._token}).encode()
                json_too = {"Content-Type": "application/json"}
                request = Request(f"{self._base}{REFRESH}", body, json_too)
                answer = self._get(request, LARGEST_ANSWER)
                try:
                    self._access = str(json.loads(answer)["access"])
                except (ValueError, LookupError, TypeError):
                    raise _failed("gives no access for this token") from None
                self._since = time.monotonic()
            return self._access

    def _get(self, request: Request, max_bytes: int) -> bytes:
        """Return the content of an answer, of one byte more than allowed at most."""
        try:
            answer: HTTPResponse
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return answer.read(max_bytes + 1)
        except HTTPError as error:
            raise _failed(f"says {error.code} {_reason(error.code)}") from None
        except URLError as error:
            raise _failed(f"cannot be reached: {error.reason}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise _failed(f"cannot be read: {error}") from None


def _failed(what: str) -> RequestError:
    return RequestError(f"Label Studio {what}", HTTPStatus.BAD_GATEWAY)


def _reason(code: int) -> str:
    """Return what a status means for the image that is asked for."""
    if code in (401, 403):
        return "for this image; give a token of a user who may see it"
    if 300 <= code < 400:
        return "and leads elsewhere, which is not followed"
    return "for this image"


def _origin(place: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = place.port or {"http": 80, "https": 443}.get(place.scheme)
    except ValueError:  # a port that is none
        port = -1
    return place.scheme, place.hostname, port
