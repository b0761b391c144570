"""Weights to start from, out of a bucket."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from mmdet_flow.errors import ModelError
from mmdet_flow.model.weights import store
from mmdet_flow.model.weights.fetch import Patience
from mmdet_flow.model.weights.places import Answer, opened
from tests.storage.conftest import BUCKET

pytestmark = pytest.mark.storage

MIRROR = f"s3://{BUCKET}/mirror/weights"
HURRIED = Patience(silent=5, tries=2, pause=0.01)


def archive() -> bytes:
    """Return an archive as a file of torch is one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        content.writestr(zipfile.ZipInfo("data.pkl"), bytes(1_000_000))
    return buffer.getvalue()


CONTENT = archive()
NAME = f"shore-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, server):
    """A store of its own, which finds the server as Snakemake does."""
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def key(server) -> str:
    """A file of weights in the bucket."""
    key = f"mirror/weights/{NAME}"
    server.client.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
    return key


def get() -> Path:
    return store.get(NAME, mirrors=[MIRROR], patience=HURRIED)


def test_a_bucket_is_a_mirror(key):
    assert get().read_bytes() == CONTENT


def test_what_was_cut_goes_on(key):
    store.folder().mkdir()
    (store.folder() / f".{NAME}.part").write_bytes(CONTENT[:400_000])
    with opened(f"{MIRROR}/{NAME}", 400_000) as answer:
        assert (answer.begin, answer.total) == (400_000, len(CONTENT))
        assert b"".join(answer.blocks) == CONTENT[400_000:]
    assert get().read_bytes() == CONTENT


def test_behind_its_end_there_is_nothing(key):
    with opened(f"{MIRROR}/{NAME}", len(CONTENT)) as answer:
        assert answer == Answer((), len(CONTENT))


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (f"{MIRROR}/none", "answers NoSuchKey"),
        ("s3://no-such-bucket", "answers NoSuchBucket"),
    ],
)
def test_what_is_not_there_is_told(place, reason):
    with pytest.raises(ModelError) as error:
        store.get(NAME, mirrors=[place], patience=HURRIED)
    assert f"{place}/{NAME} {reason}; " in str(error.value)


def test_a_server_that_is_down_is_told(monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot be asked: Could not connect"):
        get()


def test_what_is_public_needs_no_keys(server, key, monkeypatch, tmp_path):
    server.client.put_object_acl(Bucket=BUCKET, Key=key, ACL="public-read")
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"SNAKEMAKE_STORAGE_S3_{name}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert get().read_bytes() == CONTENT
