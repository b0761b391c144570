"""The pages over HTTP, and in a real Chromium."""

import base64
import http.client
import os
import re
import signal
import subprocess
import time
import urllib.parse

import pytest

from mmdet_flow import layout
from mmdet_flow.watch.overview import Results
from mmdet_flow.watch.server import address_of, served, watch_server
from tests.chromium import CHROMIUM, chromium
from tests.conftest import BIN, the_error
from tests.watch.results import begun, finished, put, training_lines

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmM"
    "IQAAAABJRU5ErkJggg=="
)
"""The smallest PNG."""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "results"
    begun(folder / "cells")
    finished(folder / "worms")
    (folder / "worms" / layout.OVERVIEW).write_bytes(PIXEL)
    drawn = put(folder / "cells", "training/2026/vis_data/vis_image/val_3.png")
    drawn.write_bytes(PIXEL)
    return folder


@pytest.fixture
def place(folder):
    """Host and port of a server of this folder."""
    server = watch_server(Results(folder), 0)
    with served(server):
        yield address_of(server).removeprefix("http://").rstrip("/")


def get(place: str, path: str = "/", method: str = "GET", **headers):
    """Return status, headers and content of an answer."""
    connection = http.client.HTTPConnection(place, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_all_experiments_are_on_a_page_with_what_is_known_of_them(place):
    status, headers, content = get(place)
    text = " ".join(re.sub("<[^>]+>", " ", content.decode()).split())
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "60 %, 80 s left, mAP 0.300" in text
    assert "boxes mAP 0.412, at IoU 0.5 0.734" in text
    assert "data ✓ config ✓ train ▸ evaluate · predict ·" in text
    assert "GiB are free" in text


def test_an_experiment_has_curves_validations_and_pictures(place):
    status, _, content = get(place, "/experiments/cells")
    page = content.decode()
    assert status == 200 and page.count("<polyline") == 2
    assert re.findall(r'scope="row">(\d+)</th><td>([\d.]+)', page) == [
        *(("2", "0.100"), ("4", "0.200"), ("6", "0.300")),
    ]
    (address,) = re.findall(r'<img src="([^"]+)"', page)
    status, headers, picture = get(place, address)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert picture == PIXEL


def test_nothing_is_taken_from_elsewhere(place):
    for path in ("/", "/experiments/cells"):
        _, headers, content = get(place, path)
        assert b"http:" not in content and b"https:" not in content
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy and "*" not in policy
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize(
    "path",
    [
        *("/x", "/experiments/", "/experiments/none", "/experiments/../cells"),
        *("/experiments/%2e%2e", "/experiments/cells%00", "/pictures/cells/"),
        "/pictures/cells/model/config.py",
        "/pictures/cells/..%2fworms%2fpredictions%2foverview.png",
        "/pictures/cells/training/2026/vis_data/vis_image/../vis_image/val_3.png",
        "/pictures//etc/passwd",
    ],
)
def test_nothing_else_is_to_be_had(place, path):
    status, _, content = get(place, path)
    assert status == 404 and content.decode().startswith("there is no such")


def test_a_picture_that_leads_out_of_the_results_is_not_sent(place, folder):
    secret = put(folder.parent, "secret.png")
    link = folder / "cells/training/2026/vis_data/vis_image/val_4.png"
    link.symlink_to(secret)
    path = f"/pictures/cells/{link.relative_to(folder / 'cells')}"
    assert get(place, path)[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("127.0.0.1", 200), ("localhost:80", 200), ("LOCALHOST:1", 200)),
        *(("[::1]:9", 200), ("[::1]", 200)),
        *(("evil.example", 421), ("evil.example:8765", 421), ("", 421)),
        *(("127.0.0.1.evil.example", 421), ("[::2]:8765", 421), ("a:127.0.0.1", 421)),
    ],
)
def test_it_answers_to_the_names_of_this_machine_alone(place, host, status):
    for path in ("/", "/pictures/worms/predictions/overview.png"):
        assert get(place, path, Host=host)[0] == status


def test_a_name_may_be_allowed(folder):
    server = watch_server(Results(folder), 0, ["lab.example"])
    with served(server):
        place = address_of(server).removeprefix("http://").rstrip("/")
        assert get(place, Host="lab.example:80")[0] == 200
        assert get(place, Host="evil.example")[0] == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_is_to_read_alone(place, folder, method):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert get(place, method=method)[0] == 405
    get(place)
    status, _, content = get(place, method="HEAD")
    assert (status, content) == (200, b"")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_it_listens_on_loopback_alone(folder):
    server = watch_server(Results(folder), 0)
    assert server.server_address[0] == "127.0.0.1"
    server.server_close()


def spoil(path) -> None:
    path.write_bytes(b"\xff\0{ nonsense\n")


def test_files_that_are_broken_or_of_another_version_end_nothing(place, folder):
    for name in ("cells", "worms"):
        for path in sorted((folder / name).rglob("*")):
            if path.is_file():
                spoil(path)
                assert get(place)[0] == 200
                assert get(place, f"/experiments/{name}")[0] == 200
    put(folder / "cells", layout.ESTIMATE, '{"seconds_per_iteration": 2.0}')
    put(folder / "cells", layout.TRAINING_LINES, training_lines(30))
    text = get(place, "/experiments/cells")[2].decode()
    assert "epoch 3, loss" in text and "<progress" not in text


def test_a_folder_that_is_not_there_yet_is_said_and_comes(tmp_path):
    server = watch_server(Results(tmp_path / "later"), 0)
    with served(server):
        place = address_of(server).removeprefix("http://").rstrip("/")
        assert b"There is no such folder yet" in get(place)[2]
        (tmp_path / "later").mkdir()
        assert b"There is no experiment in it yet" in get(place)[2]
        begun(tmp_path / "later/cells")
        assert b"/experiments/cells" in get(place)[2]


def test_a_name_of_any_letters_is_found(place, folder):
    name = "größe <b>&amp; 100 %"
    begun(folder / name)
    page = get(place)[2].decode()
    address = next(one for one in re.findall('href="([^"]+)"', page) if "gr" in one)
    assert urllib.parse.unquote(address) == f"/experiments/{name}"
    assert get(place, address)[0] == 200


def test_the_command_serves_until_it_is_stopped(folder, free_port):
    process = subprocess.Popen(
        [BIN / "mmdet-flow", "watch", folder, "--port", str(free_port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    assert f"open http://127.0.0.1:{free_port}/" in line
    assert get(f"127.0.0.1:{free_port}")[0] == 200
    second = subprocess.run(
        [BIN / "mmdet-flow", "watch", folder, "--port", str(free_port)],
        capture_output=True,
        text=True,
    )
    assert "choose another --port" in the_error(second)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    process.stderr.close()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_in_a_browser_the_page_follows_the_files(place, folder, tmp_path):
    with chromium(tmp_path / "profile", size=(900, 700)) as page:
        page.open(f"http://{place}/")
        page.click("cells")
        page.wait("document.querySelectorAll('polyline').length === 2")
        page.wait("document.querySelector('figure img').complete")
        assert page.run("document.querySelector('figure img').naturalWidth") == 1
        assert page.run("document.querySelector('h1').textContent") == "cells"
        put(folder / "cells", layout.TRAINING_LINES, training_lines(80))
        page.wait("document.querySelector('main').textContent.includes('80 %')")
        page.wait("document.getElementById('state').textContent.startsWith('as of')")
        wide = "document.documentElement.scrollWidth <= innerWidth"
        assert page.run(wide)
        page.open(f"http://{place}/")
        assert page.run(wide)
        assert page.run("document.querySelectorAll('tbody tr').length") == 2
        names = (
            "[...document.querySelectorAll('tbody a')].map((one) => one.textContent)"
        )
        for order in (["cells", "worms"], ["worms", "cells"]):
            page.click("experiment", "th > button")
            assert page.run(names) == order
        page.run("document.querySelector('th > button').focus()")
        # What is chosen stays when the files are read again.
        put(folder / "cells", layout.TRAINING_LINES, training_lines(90))
        page.wait("document.querySelector('main').textContent.includes('90 %')")
        assert page.run(names) == ["worms", "cells"]
        assert page.run("document.activeElement.textContent") == "experiment"
        assert page.errors == [] and {
            urllib.parse.urlsplit(one).netloc for one in page.requests
        } == {place}
        if captures := os.environ.get("MMDET_FLOW_CAPTURES"):
            take(page, place, captures)


def take(page, place: str, folder: str) -> None:
    """Keep pictures of the pages, for people to look at."""
    for name, path in (("all", "/"), ("one", "/experiments/cells")):
        page.open(f"http://{place}{path}")
        time.sleep(1)
        with open(f"{folder}/watch-{name}.png", "wb") as stream:
            stream.write(page.picture())
