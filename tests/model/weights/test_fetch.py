"""Fetching from a server that cuts, lies, stalls, or has something else."""

import hashlib
import io
import logging
import random
import re
import zipfile

import pytest

from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.model.weights import store
from mmdet_flow.model.weights.fetch import Patience
from tests.model.weights.server import Behaviour, serving

HURRIED = Patience(silent=0.5, tries=3, pause=0.01)


def archive(seed: int, size: int = 300_000) -> bytes:
    """Return a zip archive, as files of torch are, of bytes that depend on a seed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        data = zipfile.ZipInfo("data.pkl")
        content.writestr(data, random.Random(seed).randbytes(size))
    return buffer.getvalue()


CONTENT, OTHER = archive(1), archive(2)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = f"detector-{SHA256[:8]}.pth"


@pytest.fixture
def files():
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A store of its own, without proxies of the machine."""
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MMDET_FLOW_MIRRORS", raising=False)


def get(files, **options):
    """Fetch the file from the server."""
    return store.get(f"{files.url}/{NAME}", patience=HURRIED, **options)


def part():
    return store.folder() / f".{NAME}.part"


def require_whole(path) -> None:
    """Check that a file is whole, that its note says so, and that no part is left."""
    assert path.read_bytes() == CONTENT
    note = path.with_name(f"{NAME}.sha256").read_text()
    assert note == f"{SHA256}  {NAME}\n"
    assert not part().exists()


def test_a_whole_file_is_fetched_once(files):
    files.answers[f"/{NAME}"] = Behaviour(CONTENT)
    require_whole(get(files))
    require_whole(get(files))
    assert files.asked == [(f"/{NAME}", 0)]


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(CONTENT, cuts=[100_000, 50_000]),
        Behaviour(CONTENT, cuts=[100_000], has_ranges=False),
        Behaviour(CONTENT, stalls=[100_000]),
        Behaviour(CONTENT, cuts=[0, 0]),
        Behaviour(CONTENT, claims=1000),
        Behaviour(CONTENT, claims=1000, has_ranges=False),
        Behaviour(CONTENT, says_length=False),
        Behaviour(CONTENT, pause=0.001),
        # What is said of its kind is of no interest, but for a page.
        Behaviour(CONTENT, type="text/plain"),
    ],
    ids=[
        *("cut twice", "cut without ranges", "silent", "cut at once", "too long"),
        *("too long without ranges", "without a length", "slow", "of another kind"),
    ],
)
def test_what_is_cut_slow_or_says_too_much_is_whole_in_the_end(files, behaviour):
    files.answers[f"/{NAME}"] = behaviour
    require_whole(get(files))


def test_what_was_cut_goes_on_where_it_ended(files):
    """Also after a process that was killed, from another place."""
    store.folder().mkdir(parents=True)
    part().write_bytes(CONTENT[:123_456])
    files.answers[f"/mirror/{NAME}"] = Behaviour(CONTENT, cuts=[10_000])
    require_whole(get(files, mirrors=[f"{files.url}/mirror"]))
    assert files.asked == [
        (f"/mirror/{NAME}", 123_456),
        (f"/mirror/{NAME}", 133_456),
    ]


def test_a_part_that_is_whole_needs_no_more_than_to_be_asked_for(files):
    store.folder().mkdir(parents=True)
    part().write_bytes(CONTENT)
    files.answers[f"/{NAME}"] = Behaviour(CONTENT)
    require_whole(get(files))
    assert files.asked == [(f"/{NAME}", len(CONTENT))]


@pytest.mark.parametrize("left", [OTHER[:5000], OTHER + b"more than there is", b"?"])
def test_what_is_left_of_another_file_is_dropped(files, left):
    store.folder().mkdir(parents=True)
    part().write_bytes(left)
    files.answers[f"/{NAME}"] = Behaviour(CONTENT)
    require_whole(get(files))
    assert files.asked == [(f"/{NAME}", len(left)), (f"/{NAME}", 0)]


def test_without_a_hash_nothing_is_gone_on_with(files):
    """Nobody could tell whether both parts are of one file."""
    name = "detector.pth"
    store.folder().mkdir(parents=True)
    (store.folder() / f".{name}.part").write_bytes(OTHER[:5000])
    files.answers[f"/{name}"] = Behaviour(CONTENT)
    path = store.get(f"{files.url}/{name}", patience=HURRIED)
    assert path.read_bytes() == CONTENT and files.asked == [(f"/{name}", 0)]
    assert store.kept()[0].sha256 == SHA256


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (None, "answers 404 Not Found"),
        (Behaviour(b"<html>", type="text/html; charset=utf-8"), "answers with a page"),
        (Behaviour(b"<html>"), "another file under that name: it holds no weights"),
        (Behaviour(OTHER), "has another file under that name: its SHA-256 begins with"),
        (Behaviour(CONTENT, claims=-1000), "under that name: its end is missing"),
        (Behaviour(CONTENT[:-1000], says_length=False), "its end is missing"),
        (Behaviour(b""), "has another file under that name: it holds no weights"),
        (Behaviour(CONTENT, cuts=[9, 9, 9, 9]), "ends before its end, 3 times"),
        (Behaviour(CONTENT, stalls=[9] * 4), "sends nothing for 0.5 s, 3 times"),
        (Behaviour(CONTENT, status=503), "answers 503 Service Unavailable, 3 times"),
        (Behaviour(CONTENT, status=403), "answers 403 Forbidden"),
        (Behaviour(CONTENT, cuts=[9], shift=5), "another part of the file"),
        (Behaviour(moved_to=f"/{NAME}"), "Exceeded 30 redirects"),
    ],
)
def test_a_bad_server_is_told_in_one_line_and_leaves_no_file(files, behaviour, reason):
    if behaviour:
        files.answers[f"/{NAME}"] = behaviour
    with pytest.raises(ModelError) as error:
        get(files)
    line = str(error.value)
    assert line.startswith(f"{NAME}: {files.url}/{NAME} ") and "\n" not in line
    assert reason in line
    assert "weights.mirrors" in line and "mmdet-flow weights add" in line
    assert not (store.folder() / NAME).exists() and store.kept() == []


def test_the_next_place_is_asked_after_a_bad_one(files, tmp_path):
    files.answers |= {
        f"/wrong/{NAME}": Behaviour(OTHER),
        f"/cut/{NAME}": Behaviour(CONTENT, cuts=[5000] + [0] * 9),
        f"/whole/{NAME}": Behaviour(moved_to=f"/elsewhere/{NAME}"),
        f"/elsewhere/{NAME}": Behaviour(CONTENT),
    }
    mirrors = [
        *(str(tmp_path / "nowhere"), "ftp://127.0.0.1/weights"),
        "http://127.0.0.1:9/weights",  # where nobody listens
        *(f"{files.url}/{name}" for name in ("none", "wrong", "cut", "whole")),
    ]
    require_whole(get(files, mirrors=mirrors))
    # What the one had before it was cut off is the beginning for the next one.
    assert files.asked[-1] == (f"/elsewhere/{NAME}", 5000)


def test_all_places_that_fail_are_named_with_their_reasons(tmp_path):
    (tmp_path / NAME).write_bytes(OTHER)
    with pytest.raises(ModelError) as error:
        store.get(NAME, mirrors=[str(tmp_path), "http://127.0.0.1:9"], patience=HURRIED)
    line = str(error.value)
    assert f"{tmp_path}/{NAME} has another file under that name" in line
    assert f"http://127.0.0.1:9/{NAME} cannot be reached: " in line
    assert "refused" in line


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_a_folder_is_a_mirror(tmp_path, form):
    folder = tmp_path / "with a space"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    require_whole(store.get(NAME, mirrors=[form.format(folder)]))
    assert (folder / NAME).stat().st_ino != (store.folder() / NAME).stat().st_ino


def test_the_variable_names_mirrors_too(files, tmp_path, monkeypatch):
    files.answers[f"/site/{NAME}"] = Behaviour(CONTENT)
    monkeypatch.setenv("MMDET_FLOW_MIRRORS", f"{tmp_path} {files.url}/site/")
    require_whole(store.get(NAME, patience=HURRIED))


def test_a_proxy_of_the_environment_is_asked(files, monkeypatch):
    """With the whole address, of a machine that cannot be found from here."""
    url = f"http://weights.invalid/zoo/{NAME}"
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("http_proxy", files.url)
    files.answers[url] = Behaviour(CONTENT, cuts=[1000])
    require_whole(store.get(url, patience=HURRIED))
    assert files.asked == [(url, 0), (url, 1000)]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    (store.folder() / NAME).unlink()
    with pytest.raises(ModelError, match="its proxy cannot be reached"):
        store.get(url, patience=HURRIED)


def test_a_hash_that_is_given_decides(files):
    files.answers |= {"/a.pth": Behaviour(OTHER), "/mirror/a.pth": Behaviour(CONTENT)}
    places = {"mirrors": [f"{files.url}/mirror"], "patience": HURRIED}
    wanted = hashlib.sha256(OTHER).hexdigest()
    path = store.get(f"{files.url}/a.pth", sha256=wanted, **places)
    assert path.read_bytes() == OTHER
    with pytest.raises(UsageError, match="has 8 to 64 digits"):
        store.get(f"{files.url}/a.pth", sha256="SHA256", **places)


def test_what_is_damaged_is_found_and_fetched_again(files):
    files.answers["/a.pth"] = Behaviour(CONTENT)
    path = store.get(f"{files.url}/a.pth", patience=HURRIED)
    path.write_bytes(CONTENT[:-1] + b"?")
    (damaged,) = store.kept()
    assert damaged.fault.startswith("its SHA-256 begins with")
    with pytest.raises(ModelError, match="is damaged, fetch it again"):
        store.find_weights("a.pth")
    assert store.get(f"{files.url}/a.pth", patience=HURRIED).read_bytes() == CONTENT
    assert store.find_weights("a.pth") == path and not store.kept()[0].fault


def test_the_log_tells_how_far_it_is(files, caplog):
    caplog.set_level(logging.INFO, logger="mmdet_flow")
    large = archive(3, 3_000_000)
    name = f"large-{hashlib.sha256(large).hexdigest()[:8]}.pth"
    files.answers[f"/{name}"] = Behaviour(large)
    store.get(f"{files.url}/{name}", patience=HURRIED)
    told = re.findall(rf"{name}: (\d\.\d) of 3.0 MB", caplog.text)
    assert told[-1] == "3.0" and len(told) == 10 and told == sorted(told)
