"""Where data and results are, here and on remote storage."""

import json
from types import SimpleNamespace

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow.places import Places

HERE = Places("results", "logs")
REMOTE = Places("results", "logs", "s3", "s3://bucket/")


@pytest.mark.parametrize(
    ("path", "remote", "compared"),
    [
        ("data/a", "s3://bucket/data/a", True),
        ("./data//a/", "s3://bucket/data/a", True),
        ("https://example.org/a", "https://example.org/a", False),
    ],
)
def test_a_path_is_where_the_storage_is(path, remote, compared):
    assert HERE.where_it_is(path) == path
    assert REMOTE.where_it_is(path) == remote
    assert HERE.is_compared(path) is compared
    assert REMOTE.is_compared(path) is False


def storage(there: bool | Exception):
    """Return what Snakemake has of that name, for an object that is there or not."""

    def exists() -> bool:
        if isinstance(there, Exception):
            raise there
        return there

    asked = SimpleNamespace(flags={"storage_object": SimpleNamespace(exists=exists)})
    return lambda path: asked


def test_folders_are_looked_for_where_they_are(tmp_path):
    assert HERE.exists(str(tmp_path), storage(False))
    assert not HERE.exists(str(tmp_path / "nowhere"), storage(True))
    assert REMOTE.exists(str(tmp_path / "nowhere"), storage(True))
    assert not REMOTE.exists(str(tmp_path), storage(False))


def test_storage_that_cannot_be_reached_is_said(tmp_path):
    refused = storage(ConnectionError("refused"))
    with pytest.raises(UsageError, match=r"^s3://bucket/a cannot be reached: refused"):
        REMOTE.exists("a", refused)


@pytest.mark.parametrize(
    ("places", "uri", "environment", "expected"),
    [
        (HERE, None, {}, None),
        (HERE, "", {}, None),
        (HERE, "http://x", {}, "http://x"),
        (REMOTE, None, {}, "sqlite:///results/tracking/mlflow.db"),
        (REMOTE, None, {"MLFLOW_TRACKING_URI": "http://y"}, None),
        (REMOTE, "http://x", {}, "http://x"),
    ],
)
def test_the_file_of_the_tracker_stays_on_this_machine(
    places, uri, environment, expected
):
    section = {"uri": uri, "experiment": "e"}
    assert places.tracker(section, environment) == {"uri": expected, "experiment": "e"}


@pytest.mark.parametrize(
    ("content", "tries"),
    [
        (None, 0),
        ({"tracked": True, "tries": 0}, 0),
        ({"tracked": False, "tries": 0}, 1),
        ({"tracked": False, "tries": 3}, 4),
        ({"tracked": True, "tries": 3}, 3),
        ([], 0),
        ({"tries": 1}, 0),
    ],
)
def test_the_tries_of_the_tracker_grow_while_it_is_down(tmp_path, content, tries):
    places = Places(str(tmp_path), "logs")
    if content is not None:
        (tmp_path / "tracking").mkdir()
        (tmp_path / "tracking/a.json").write_text(json.dumps(content))
    assert places.tries_to_track("a") == tries


def test_a_receipt_that_is_none_counts_as_no_try(tmp_path):
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking/a.json").write_bytes(b"\xff{")
    assert Places(str(tmp_path), "logs").tries_to_track("a") == 0
