import json
import zipfile

import pytest

from mmdet_flow.errors import ModelError
from mmdet_flow.inference.package_file import open_package, write_package

MEMBERS = {
    "checkpoint.pth": bytes(range(256)) * 40,
    "config.py": b"model = {}\n",
    "classes.txt": b"leaf\n",
}


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "m.zip"
    write_package(path, MEMBERS, {"name": "m"})
    return path


def members_of(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, change, **options) -> None:
    """Write an archive again after ``change`` of its members."""
    members = members_of(path)
    change(members)
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def with_manifest(members, **changes) -> None:
    manifest = json.loads(members["manifest.json"]) | changes
    members["manifest.json"] = json.dumps(manifest).encode()


def test_members_come_back(package):
    root = open_package(package)
    for name, content in MEMBERS.items():
        assert (root / name).read_bytes() == content
    assert not (root / "thresholds.json").is_file()
    assert list(members_of(package)) == sorted([*MEMBERS, "manifest.json"])


def test_the_order_of_what_is_given_does_not_matter(package, tmp_path):
    other = tmp_path / "other.zip"
    write_package(other, dict(reversed(MEMBERS.items())), {"name": "m"})
    assert other.read_bytes() == package.read_bytes()


def flip(path, what: bytes) -> None:
    """Change one bit of the bytes that begin with ``what``."""
    content = bytearray(path.read_bytes())
    content[content.index(what) + 3] ^= 1
    path.write_bytes(content)


def twice(path) -> None:
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning):
        archive.writestr("config.py", b"other")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda path: path.unlink(), "there is no such package"),
        (lambda path: path.write_bytes(b""), "is damaged, or not a package"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:5000]),
            "is damaged, or not a package: File is not a zip file",
        ),
        (lambda path: flip(path, MEMBERS["config.py"]), "Bad CRC-32 for file"),
        (lambda path: flip(path, b"config.py"), "is damaged, or not a package"),
        (
            lambda path: rewrite(path, lambda m: m.update({"classes.txt": b"x\n"})),
            "classes.txt is not the one of its manifest",
        ),
        (
            lambda path: rewrite(path, lambda m: m.pop("config.py")),
            "config.py is missing",
        ),
        (
            lambda path: rewrite(path, lambda m: with_manifest(m, files={})),
            "checkpoint.pth is missing",
        ),
        (
            lambda path: rewrite(path, lambda m: m.update({"more.txt": b""})),
            "more.txt is not in its manifest",
        ),
        (
            lambda path: rewrite(path, lambda m: m.pop("manifest.json")),
            "has no manifest.json; it is not of mmdet-flow handover package",
        ),
        (
            lambda path: rewrite(path, lambda m: m.update({"manifest.json": b"[1"})),
            "is damaged, or not a package",
        ),
        (
            lambda path: rewrite(path, lambda m: m.update({"manifest.json": b"[1]"})),
            "its manifest.json is not of mmdet-flow handover package",
        ),
        (
            lambda path: rewrite(path, lambda m: with_manifest(m, format="of 2040")),
            "is a 'of 2040', not a 'mmdet-flow package 1'",
        ),
        *(
            (
                lambda path, name=name: rewrite(path, lambda m: m.update({name: b""})),
                "which lies outside of it",
            )
            for name in ("../x", "/etc/x", "a/b", "..", "C:x", "a\\b")
        ),
        (
            lambda path: rewrite(
                path, lambda m: None, compression=zipfile.ZIP_DEFLATED
            ),
            "is compressed or encrypted",
        ),
        (twice, "holds a member twice"),
    ],
)
def test_what_was_damaged_or_changed_is_one_line(package, spoil, expected):
    spoil(package)
    with pytest.raises(ModelError) as refused:
        open_package(package)
    message = str(refused.value)
    assert expected in message and str(package) in message and "\n" not in message


def test_any_flipped_byte_is_seen_or_changes_nothing(package):
    """What the archive says beside its members, such as times, may differ."""
    whole = package.read_bytes()
    seen = 0
    for place in range(0, len(whole), 7):
        spoilt = bytearray(whole)
        spoilt[place] ^= 0xFF
        package.write_bytes(spoilt)
        try:
            root = open_package(package)
        except ModelError:
            seen += 1
            continue
        for name, content in MEMBERS.items():
            assert (root / name).read_bytes() == content
    assert seen > 0.9 * len(whole) / 7
