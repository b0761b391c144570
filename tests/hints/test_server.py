"""Label Studio's ML backend protocol, spoken over loopback."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from mmdet_flow.hints.backend import Backend
from mmdet_flow.hints.images import Images
from mmdet_flow.hints.server import Door, hint_server
from mmdet_flow.images import MAX_PIXELS
from mmdet_flow.labelling.writers.label_studio import write
from mmdet_flow.labelling.writers.writer import Task
from tests.conftest import BIN, LOW_SCORE, command_of

JSON = {"Content-Type": "application/json"}
LOCAL = "/data/local-files/?d="


@contextmanager
def served(predictor, images: Images, login=None, max_request=1 << 20, seconds=60):
    """Yield host and port of a server."""
    backend = Backend(predictor, images, MAX_PIXELS, seconds)
    with hint_server(backend, Door("127.0.0.1", 0, login, max_request)) as address:
        yield address.removeprefix("http://")


def send(place: str, method: str, path: str, body=b"", headers=JSON):
    """Send a request; return status, the reason of its first line, and its content."""
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.reason, json.loads(answer.read())


def post(place: str, path: str, content: object, headers=JSON):
    return send(place, "POST", path, json.dumps(content), headers)


def schema_of(classes) -> str:
    return dict(write([], Task(classes)))["interface.xml"]


@pytest.fixture(scope="module")
def schema(predictor) -> str:
    return schema_of(predictor.detector.classes)


@pytest.fixture(scope="module")
def pool(dataset, tmp_path_factory) -> Path:
    """A folder with some images, one that is none, and a link that leads out."""
    folder = tmp_path_factory.mktemp("files") / "pool"
    folder.mkdir()
    for path in sorted(dataset.source.glob("*.jpg"))[:3]:
        shutil.copy(path, folder)
    (folder / "broken.jpg").write_bytes(b"no image")
    shutil.copy(path, folder.parent / "outside.jpg")
    (folder / "link.jpg").symlink_to(folder.parent / "outside.jpg")
    return folder


@pytest.fixture(scope="module")
def names(pool) -> list[str]:
    return sorted(path.name for path in pool.glob("ground*.jpg"))


@pytest.fixture(scope="module")
def place(predictor, pool) -> str:
    images = Images(pool.resolve(), None, 1 << 20)
    with served(predictor, images) as address:
        yield address


def tasks_of(*addresses: str) -> list[dict]:
    return [
        {"id": number, "data": {"image": address}, "project": 1, "annotations": []}
        for number, address in enumerate(addresses, 1)
    ]


def predict(place: str, schema: str, *addresses: str):
    request = {"tasks": tasks_of(*addresses), "label_config": schema}
    more = {"project": "1.1700000000", "params": {"login": None, "context": None}}
    return post(place, "/predict", request | more)


def test_a_project_is_connected_as_label_studio_does_it(place, schema, predictor):
    assert send(place, "GET", "/health")[2]["status"] == "UP"
    asked = {"project": "1.17", "schema": schema, "hostname": "http://localhost:8080"}
    status, _, content = post(place, "/setup", asked | {"access_token": "x"})
    version = content["model_version"]
    assert status == 200
    assert version.endswith(predictor.detector.meta["model_sha256"][:8])
    assert send(place, "GET", "/versions")[2] == {"versions": [version]}
    noted = {"action": "ANNOTATION_CREATED", "project": {"id": 1}}
    assert post(place, "/webhook", noted)[::2] == (200, {"status": "ignored"})
    status, reason, _ = post(place, "/webhook", {"action": "START_TRAINING"})
    assert status == 501 and "with mmdet-flow label join" in reason


def test_predictions_are_those_that_label_export_writes(
    place, schema, predictor, pool, names, trained, tmp_path
):
    """Which the tests of the exchange with Label Studio check with its own library."""
    (tmp_path / "new").mkdir()
    for name in names:
        os.link(pool / name, tmp_path / "new" / name)
    options = ["--checkpoint", trained.checkpoint, "--score", LOW_SCORE, "--keep_input"]
    places = [
        "--prediction_in",
        tmp_path / "new",
        "--prediction_out",
        tmp_path / "done",
    ]
    assert command_of("predict")([*options, *places]) == 0
    form = ["--format", "label-studio", "--output", tmp_path / "round", "--classes"]
    export = [tmp_path / "done", "--images", tmp_path / "new", *form]
    assert command_of("label export")([*export, *predictor.detector.classes]) == 0
    text = (tmp_path / "round" / "label-studio" / "tasks.json").read_text()
    wanted = [task["predictions"][0] for task in json.loads(text)]
    status, _, content = predict(place, schema, *(LOCAL + quote(n) for n in names))
    assert status == 200 and content["results"] == wanted
    assert sum(len(one["result"]) for one in wanted) > 0


def test_objects_go_where_the_interface_has_a_label(place, names, predictor):
    name = names[0]
    all_of_them = predict(place, schema_of(predictor.detector.classes), LOCAL + name)
    (every,) = all_of_them[2]["results"]
    labels = [one["value"][one["type"]][0] for one in every["result"]]
    kept = labels[0]
    boxes = f'<RectangleLabels name="x" toName="p"><Label value="{kept.upper()}"/>'
    own = f'<View><Image name="p" value="$image"/>{boxes}</RectangleLabels></View>'
    (found,) = predict(place, own, LOCAL + name)[2]["results"]
    assert len(found["result"]) == labels.count(kept)
    assert {
        (one["from_name"], one["to_name"], one["type"], *one["value"][one["type"]])
        for one in found["result"]
    } == {("x", "p", "rectanglelabels", kept.upper())}


def test_what_cannot_be_read_leaves_the_others_and_no_prediction(place, schema, names):
    mixed = (LOCAL + "broken.jpg", LOCAL + names[0], LOCAL + "none.jpg")
    status, _, content = predict(place, schema, *mixed)
    first, found, last = content["results"]
    assert status == 200 and (first, last) == ([], []) and found["model_version"]
    status, reason, content = predict(place, schema, LOCAL + "broken.jpg")
    assert status == 400 and "the image cannot be decoded" in reason
    assert content == {"error": reason}


def test_when_the_time_is_over_the_rest_waits_for_the_next_request(
    predictor, schema, pool, names
):
    images = Images(pool.resolve(), None, 1 << 20)
    with served(predictor, images, seconds=0) as place:
        _, _, content = predict(place, schema, *(LOCAL + name for name in names))
    assert [bool(one) for one in content["results"]] == [True, False, False]


REFUSED = [
    *(LOCAL + "../outside.jpg", LOCAL + "%2e%2e/outside.jpg", LOCAL + "link.jpg"),
    *(LOCAL + "/etc/passwd", LOCAL + "a%00b", LOCAL + ".", LOCAL + "x" * 5000),
    *("/data/upload/1/a.jpg", "http://127.0.0.1:9/data/upload/1/a.jpg"),
    *("//127.0.0.1:9/data/local-files/?d=a.jpg", "file:///etc/passwd", "/etc/passwd"),
    *("http://127.0.0.1:9/data/local-files/?d=ground.jpg", "s3://bucket/a.jpg"),
    *("file:///data/local-files/?d=ground.jpg", "http://[", "", "../outside.jpg"),
]


@pytest.mark.parametrize("address", REFUSED, ids=lambda one: one[:60] or "nothing")
def test_no_other_place_is_read(place, schema, pool, address):
    assert (pool / "link.jpg").is_file()
    status, reason, content = predict(place, schema, address)
    assert status in (400, 403), reason
    assert list(content) == ["error"] and str(pool.parent) not in content["error"]


BAD = [
    ("/predict", b"{", JSON, 400, "the content is no JSON"),
    ("/predict", b"[" * 100_000, JSON, 400, "the content is no JSON"),
    ("/predict", b"[]", JSON, 400, "the content is [], not an object with keys"),
    ("/predict", b"{}", JSON, 400, "it has no label_config"),
    ("/setup", b'{"schema": "<View/>"}', JSON, 400, "no RectangleLabels"),
    ("/setup", b'{"schema": 1e999}', JSON, 400, "its schema is inf"),
    ("/setup", b"{}", {"Content-Type": "text/plain"}, 415, "no application/json"),
    ("/setup", b" " * 2_000_000, JSON, 413, "more than 1048576 bytes"),
    ("/setup", b"", JSON | {"Content-Length": "-1"}, 411, "Content-Length"),
    ("/setup", b"", JSON | {"Content-Length": "9" * 5000}, 413, "more than"),
    ("/train", b"{}", JSON, 404, "there is /setup, /predict, /webhook"),
]


@pytest.mark.parametrize(("path", "body", "headers", "status", "expected"), BAD)
def test_a_wrong_request_is_a_status_and_one_line(
    place, path, body, headers, status, expected
):
    given, reason, content = send(place, "POST", path, body, headers)
    assert given == status and expected in reason == content["error"]
    assert send(place, "GET", "/health")[0] == 200


def test_who_goes_away_leaves_no_trace(place, capfd):
    host, _, port = place.partition(":")
    for sent in (
        b"",
        b"POST /predict",
        b"POST /setup HTTP/1.1\r\nContent-Length: 9\r\n",
    ):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(sent + b"\r\n{" * bool(sent))
    assert send(place, "GET", "/health")[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [("x", "its tasks is 'x', not a list"), ([1], "a task is 1"), ([{}], "no data")],
)
def test_tasks_that_are_none_are_one_line(place, schema, tasks, expected):
    status, reason, _ = post(
        place, "/predict", {"tasks": tasks, "label_config": schema}
    )
    assert status == 400 and expected in reason


def test_no_tasks_have_no_predictions(place, schema):
    assert predict(place, schema)[::2] == (200, {"results": []})


def test_who_has_no_login_is_not_answered(predictor, pool):
    images = Images(pool.resolve(), None, 1 << 20)
    with served(predictor, images, login="anna:täglich") as place:
        for given in ({}, {"Authorization": "Basic " + b64encode(b"anna:x").decode()}):
            status, _, content = send(place, "GET", "/health", headers=given)
            assert status == 401 and content == {"error": "user and password are wrong"}
        right = b64encode("anna:täglich".encode()).decode()
        given = {"Authorization": f"Basic {right}"}
        assert send(place, "GET", "/health", headers=given)[0] == 200


def test_the_service_says_when_it_is_ready_and_ends_with_sigterm(
    trained, pool, names, schema, free_port, tmp_path
):
    words = [
        *(BIN / "mmdet-flow", "label", "serve", "--checkpoint", trained.checkpoint),
        *("--local-files", pool, "--port", free_port, "--score", LOW_SCORE),
    ]
    with open(tmp_path / "log", "w") as log:
        service = subprocess.Popen([*map(str, words)], stderr=log)
    try:
        wait_for(tmp_path / "log", "ready: ", service)
        place = f"127.0.0.1:{free_port}"
        assert len(predict(place, schema, LOCAL + names[0])[2]["results"]) == 1
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) == 0
    finally:
        service.kill()
    said = (tmp_path / "log").read_text()
    assert f"answers Label Studio at http://{place}" in said
    assert re.search(r"1 of 1 task, \d+ objects?\b", said)
    assert said.splitlines()[-1] == "INFO stopped"


def wait_for(log: Path, word: str, process: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while word not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.1)


@pytest.mark.parametrize("port", ["", "99999"])
def test_a_port_that_cannot_be_taken_is_one_line_at_once(place, pool, port, capsys):
    port = port or place.rpartition(":")[2]
    options = ["--checkpoint", "none.pth", "--local-files", pool, "--port", port]
    assert command_of("label serve")(options) == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("; choose another --port or --host") and port in line


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "error: no place to read images from; give --local-files or --label-st"),
        (["--local-files", "none"], "error: --local-files none: is no folder; correct"),
        (["--label-studio", "ftp://x"], "error: --label-studio ftp://x: is no address"),
        (["--label-studio", "http://a:b@x"], "no user and no password belong there"),
    ],
)
def test_a_wrong_option_is_one_line(options, expected, capsys):
    words = ["--checkpoint", "none.pth", *options]
    assert command_of("label serve")(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_a_login_without_a_password_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MMDET_FLOW_LOGIN", "anna")
    words = ["--checkpoint", "none.pth", "--local-files", str(tmp_path)]
    assert command_of("label serve")(words) == 2
    assert "MMDET_FLOW_LOGIN: is no USER:PASSWORD" in capsys.readouterr().err
