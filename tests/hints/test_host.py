"""The one Label Studio whose images are fetched, here a server that notes requests."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from mmdet_flow.hints.host import Host
from mmdet_flow.hints.images import Images
from mmdet_flow.hints.request import RequestError
from tests.conftest import unused_port

PERSONAL = "aaaa.bbbb.cccc"
"""A personal access token is a JWT: three parts with dots between them."""


@contextmanager
def studio(**answers):
    """Serve files by their path; yield the address and what was asked for.

    An answer is a status with a content or, for a redirect, where it leads.
    """
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            login = self.headers.get("Authorization", "")
            asked.append((self.command, self.path, login, body))
            name = self.path.partition("?")[0].rsplit("/", 1)[-1] or "refresh"
            status, content = answers[name.partition(".")[0]]
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", content.decode())
                content = b""
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def images(address: str, token: str | None = None, max_bytes: int = 100) -> Images:
    return Images(None, Host(address, token), max_bytes)


def refused(where: Images, address: str) -> str:
    with pytest.raises(RequestError) as caught:
        where.read(address)
    return str(caught.value)


def test_files_are_fetched_with_the_token_of_a_user():
    with studio(a=(200, b"pixels")) as (address, asked):
        where = images(address, "0123")
        assert where.read("/data/upload/1/a.jpg") == b"pixels"
        assert where.read(f"{address}/data/local-files/a?d=x%20y/a.jpg") == b"pixels"
        images(address).read("/data/upload/1/a%20b/a.jpg")
    assert [one[:3] for one in asked] == [
        ("GET", "/data/upload/1/a.jpg", "Token 0123"),
        ("GET", "/data/local-files/a?d=x%20y/a.jpg", "Token 0123"),
        ("GET", "/data/upload/1/a%20b/a.jpg", ""),
    ]


def test_a_personal_token_is_exchanged_for_one_that_lasts_minutes():
    access = json.dumps({"access": "fresh"}).encode()
    with studio(a=(200, b"pixels"), refresh=(200, access)) as (address, asked):
        where = images(address, PERSONAL)
        assert [where.read("/data/upload/1/a.jpg") for _ in range(2)] == [b"pixels"] * 2
    assert asked[0] == (
        *("POST", "/api/token/refresh/", ""),
        json.dumps({"refresh": PERSONAL}).encode(),
    )
    assert [one[2] for one in asked[1:]] == ["Bearer fresh"] * 2
    with studio(refresh=(200, b'["none"]')) as (address, _):
        said = refused(images(address, PERSONAL), "/data/upload/1/a.jpg")
        assert said == "Label Studio gives no access for this token"


def test_nothing_leads_to_another_host():
    with studio(a=(200, b"secret")) as (elsewhere, asked_there):
        leads = (302, f"{elsewhere}/data/upload/1/a.jpg".encode())
        with studio(a=leads) as (address, asked):
            said = refused(images(address, "0123"), "/data/upload/1/a.jpg")
            assert (
                said
                == "Label Studio says 302 and leads elsewhere, which is not followed"
            )
            assert len(asked) == 1
            refused(images(address), f"{elsewhere}/data/upload/1/a.jpg")
        assert asked_there == []


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (401, b"", "says 401 for this image; give a token of a user who may see it"),
        (404, b"", "says 404 for this image"),
        (500, b"", "says 500 for this image"),
        (200, b"x" * 101, "the image has more than 100 bytes"),
    ],
)
def test_what_is_not_there_is_one_line(status, content, expected):
    with studio(a=(status, content)) as (address, _):
        assert expected in refused(images(address), "/data/upload/1/a.jpg")


def test_a_label_studio_that_is_away_is_one_line():
    where = images(f"http://127.0.0.1:{unused_port()}")
    said = refused(where, "/data/upload/1/a.jpg")
    assert said.startswith("Label Studio cannot be reached: ") and "\n" not in said


ITS_OWN = [
    *("/data/upload/1/a.jpg", "http://ls.example.org/data/upload/1/a.jpg"),
    *("HTTP://LS.example.org:80/data/local-files/?d=a", "/storage-data/uploaded/?x"),
]
NOT_ITS_OWN = [
    *(
        "https://ls.example.org/data/upload/a.jpg",
        "http://ls.example.org:81/data/upload/a",
    ),
    *("http://ls.example.org@evil.org/data/upload/a", "//evil.org/data/upload/a"),
    *("http://evil.org/data/upload/a", "http://ls.example.org:x/data/upload/a"),
    *("/api/users", "/data/upload/../../api/users", "/data/upload/%2e%2e/%2E./api"),
    *(
        "/data/upload/..\\api",
        "/data/upload/%0d%0aX: y",
        "/DATA/upload/a",
        "data/upload/a",
    ),
    *("/user/account", "ftp://ls.example.org/data/upload/a", "/x/data/upload/a"),
]


@pytest.mark.parametrize("address", ITS_OWN)
def test_files_of_it_are_known(address):
    assert Host("http://ls.example.org").has(urlsplit(address))


@pytest.mark.parametrize("address", NOT_ITS_OWN)
def test_nothing_else_is_asked_for(address):
    assert not Host("http://ls.example.org").has(urlsplit(address))


def test_it_may_be_below_a_path():
    host = Host("https://example.org/ls/")
    assert host.has(urlsplit("https://example.org/ls/data/upload/a.jpg"))
    assert not host.has(urlsplit("https://example.org/other/data/upload/a.jpg"))
