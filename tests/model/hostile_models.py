"""Models as a stranger might send them: broken, odd, and with harmless markers.

``hostile_checkpoints(folder, marker)`` and ``hostile_packages(folder, marker)`` write
one file after the other and yield its name and path. Each must be refused in one line,
with exit code 3 or 4. What is meant as code makes the file ``marker``, or prints "a
stranger"; neither may ever be seen. ``mutations(content, count, seed)`` yields damaged
copies of a file's bytes.
"""

import io
import json
import os
import pickle
import random
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mmdet_flow.inference.package_file import write_package

CLASSES = ("leaf", "pebble")

CONFIG = """\
default_scope = 'mmdet'
model = dict(
    bbox_head=dict(
        anchor_generator=dict(type='AnchorGenerator', strides=[8, 16]),
        in_channels=256,
        num_classes=2,
        type='RetinaHead'),
    backbone=dict(depth=18, norm_cfg=dict(type='BN'), type='ResNet'),
    test_cfg=dict(nms=dict(iou_threshold=0.5, type='nms'), score_thr=0.05),
    type='RetinaNet')
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(keep_ratio=True, scale=(128, 128), type='Resize'),
            dict(type='PackDetInputs'),
        ]))
"""
"""Of a model that needs more weights than these checkpoints have."""


def save_checkpoint(path: Path, **changes) -> Path:
    """Write a small checkpoint as mmdet does; ``changes`` are of its meta."""
    meta = {"dataset_meta": {"classes": list(CLASSES)}, "cfg": CONFIG} | changes
    weights = {"a.weight": torch.ones(4, 3), "a.bias": torch.zeros(4)}
    torch.save({"meta": meta, "state_dict": weights}, path)
    return path


def save_package(path: Path, **changes: bytes) -> Path:
    """Write a package of such a checkpoint; ``changes`` are of its members."""
    save_checkpoint(path.with_suffix(".pth"))
    members = {
        "checkpoint.pth": path.with_suffix(".pth").read_bytes(),
        "config.py": CONFIG.encode(),
        "classes.txt": b"leaf\npebble\n",
    }
    write_package(path, members | changes, {"name": "m"})
    return path


def hostile_configs(marker: Path) -> Iterator[tuple[str, str]]:
    """Yield config texts that are code, or that name what must not be built."""
    code = f"open({str(marker)!r}, 'w')"
    for name, line in {
        "call": code,
        "import": f"import os\n{code}",
        "value": f"a = {code}",
        "nested": f"a = dict(b=[dict(c={code})])",
        "key": f"a = {{{code}: 1}}",
        "star": f"a = dict(**{{'b': {code}}})",
        "f-string": f"a = f'{{{code}}}'",
        "comprehension": f"a = [{code} for _ in (1,)]",
        "lambda": f"a = (lambda: {code})()",
        "walrus": f"a = (b := {code})",
        "condition": f"a = 1 if {code} else 2",
        "method": "a = 'b'.format(1)",
        "attribute": "a = pathlib.Path",
        "sum": "a = 'b' * 1000",
        "loop": f"for a in (1,):\n    {code}",
        "class": f"class A:\n    {code}",
        "target": f"a, b = {code}",
        "annotated": f"a: {code} = 1",
        "deep": "a = " + "[" * 120 + "]" * 120,
        "deeper": "a = " + "-" * 20_000 + "1",
        "large": "a = [" + "0," * 600_000 + "]",
        "number": f"a = {'9' * 5000}",
        "bits": f"a = {'9' * 50}",
        "nul": "a = '\0'",
        "cut": "a = dict(",
        "surrogate": "a = '\ud800'",
    }.items():
        yield f"config-{name}", f"{CONFIG}{line}\n"
    for name, old, new in (
        ("path", "type='ResNet'", "type='pathlib.Path'"),
        ("function", "type='ResNet'", "type='builtins.print'"),
        ("number", "type='ResNet'", "type=3"),
        ("scope", "type='ResNet'", "type='this.ResNet'"),
        ("inner-scope", "type='ResNet'", "type='ResNet', _scope_='this'"),
        ("default-scope", "default_scope = 'mmdet'", "default_scope = 'this'"),
        ("nms", "type='nms'", "type='print'"),
        ("hidden", "type='nms'", "type='nms', more=dict(type='pathlib.Path')"),
        ("loader", "type='ResNet'", "type='BertModel', name='bert'"),
        ("teacher", "type='RetinaNet'", "type='LAD', teacher_ckpt='t'"),
        ("file", "depth=18", "depth=18, teacher='teacher.py'"),
        ("address", "depth=18", "depth=18, source='http://localhost:1/a'"),
        ("folder", "depth=18", "depth=18, source='a/b'"),
        ("step", "type='Resize'", "type='pathlib.Path'"),
        ("loading-step", "type='Resize'", "type='Albu', transforms=[]"),
        ("wrong-registry", "type='Resize'", "type='ResNet'"),
        ("no-detector", "type='RetinaNet'", "type='FPN'"),
        ("pipeline", "pipeline=[", "pipeline=3, steps=["),
        ("none", "model = dict(", "other = dict("),
        ("text", "depth=18", "depth='eighteen'"),
        ("large", "scale=(128, 128)", "scale=(100_000, 128)"),
        ("factor", "scale=(128, 128)", "scale_factor=(1e3, 1.0)"),
        (
            "padding",
            "type='RetinaNet'",
            "data_preprocessor=dict(pad_size_divisor=1e5),\n    type='RetinaNet'",
        ),
        ("wide", "in_channels=256", "in_channels=256, feat_channels=100_000"),
    ):
        assert old in CONFIG
        yield f"type-{name}", CONFIG.replace(old, new)


def hostile_values() -> Iterator[tuple[str, object]]:
    """Yield contents of checkpoints that torch or its reader can be given."""
    weights = {"a": torch.ones(2)}
    meta = {"dataset_meta": {"classes": list(CLASSES)}, "cfg": CONFIG}
    sound = {"meta": meta, "state_dict": weights}
    yield "list", [1, 2]
    yield "text", "a"
    yield "no-weights", {"meta": meta}
    for number, strange in enumerate(([], 3, None, "a", torch.ones(1))):
        yield f"meta-{number}", sound | {"meta": strange}
        yield f"weights-{number}", sound | {"state_dict": strange}
        yield f"dataset-meta-{number}", sound | {"meta": {"dataset_meta": strange}}
    for number, strange in enumerate(([1], {"a": 1}, 3, None, "a")):
        yield f"cfg-{number}", sound | {"meta": meta | {"cfg": strange}}
        if number != 1:
            versions = {"versions": strange}
            yield f"versions-{number}", sound | {"meta": meta | versions}
    for number, strange in enumerate(
        ([1, 2], [["a"]], [""], ["a", "a"], [None], {"a": 1}, 5, [b"a"], [" "])
    ):
        named = {"dataset_meta": {"classes": strange}}
        yield f"classes-{number}", sound | {"meta": meta | named}
    for name, tensor in (
        ("sparse", torch.ones(2, 2).to_sparse()),
        ("csr", torch.ones(2, 2).to_sparse_csr()),
        ("quantized", torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)),
        ("complex", torch.ones(2, dtype=torch.complex64)),
        ("meta-device", torch.ones(2, device="meta")),
        ("number", 3.0),
        ("array", np.ones(2)),
        ("expanded", torch.ones(1).expand(1 << 40)),
    ):
        yield f"tensor-{name}", sound | {"state_dict": {"a": tensor}}
    yield "tensor-key", sound | {"state_dict": {1: torch.ones(1)}}
    deep: list = []
    for _ in range(150):
        deep = [deep]
    yield "deep", sound | {"more": deep}
    ring: list = []
    ring.append(ring)
    yield "ring", sound | {"more": ring}
    for name, reached in (
        ("print", _Reduced(print, ("a stranger",))),
        ("getattr", _Reduced(getattr, ({}, "keys"))),
        ("getattr-of-class", _Reduced(getattr, (str, "__subclasses__"))),
        ("path", Path("a")),
        ("objects", np.array([{}, None], dtype=object)),
        ("record", np.zeros(2, dtype=[("a", "f8")])),
    ):
        yield f"holds-{name}", sound | {"more": reached}


class _Reduced:
    """An object that a pickle makes by calling a function."""

    def __init__(self, function, arguments: tuple) -> None:
        self._made_by = function, arguments

    def __reduce__(self):
        return self._made_by


def hostile_checkpoints(folder: Path, marker: Path) -> Iterator[tuple[str, Path]]:
    """Write checkpoints that must be refused; yield name and path of each."""
    for name, text in hostile_configs(marker):
        yield name, save_checkpoint(folder / f"{name}.pth", cfg=text)
    for name, content in hostile_values():
        torch.save(content, folder / f"{name}.pth")
        yield name, folder / f"{name}.pth"
    for name, encoded in _files(folder):
        (folder / f"{name}.pth").write_bytes(encoded)
        yield name, folder / f"{name}.pth"
    (folder / "folder.pth").mkdir()
    yield "folder", folder / "folder.pth"
    os.mkfifo(folder / "pipe.pth")
    yield "pipe", folder / "pipe.pth"
    (folder / "device.pth").symlink_to("/dev/zero")
    yield "device", folder / "device.pth"
    (folder / "ring.pth").unlink(missing_ok=True)
    (folder / "ring.pth").symlink_to("ring.pth")
    yield "ring-of-links", folder / "ring.pth"
    with open(folder / "sparse-file.pth", "wb") as stream:
        stream.truncate(1 << 42)
    yield "sparse-file", folder / "sparse-file.pth"
    yield "long-name", folder / ("a" * 300)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield bytes that are no checkpoint, or not one of torch's own form."""
    sound = save_checkpoint(folder / "sound.pth").read_bytes()
    yield "empty", b""
    yield "byte", b"\x80"
    yield "words", b"no checkpoint\n" * 10
    yield "half", sound[: len(sound) // 2]
    yield "pickle", pickle.dumps({"state_dict": {}})
    yield "packed", _zip_again(sound, zipfile.ZIP_DEFLATED)
    yield "bomb", _zip_again(sound, zipfile.ZIP_DEFLATED, {"data/0": bytes(1 << 24)})
    old = io.BytesIO()
    torch.save({"state_dict": {"a": 3}}, old, _use_new_zipfile_serialization=False)
    yield "old-form", old.getvalue()
    yield "old-form-cut", old.getvalue()[:-40]
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), script)
    yield "script", script.getvalue()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.addfile(tarfile.TarInfo(name))
    yield "tar", tar.getvalue()


def _zip_again(content: bytes, compression: int, changes: dict | None = None) -> bytes:
    """Return an archive of torch written again, with members changed by their ends."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", compression) as new,
    ):
        for name in old.namelist():
            own = (changes or {}).get(name.partition("/")[2], old.read(name))
            new.writestr(name, own)
    return buffer.getvalue()


def hostile_packages(folder: Path, marker: Path) -> Iterator[tuple[str, Path]]:
    """Write packages that must be refused; yield name and path of each."""
    text = f"{CONFIG}a = open({str(marker)!r}, 'w')\n"
    inner = save_checkpoint(folder / "inner.pth", cfg=text).read_bytes()
    changes = {"checkpoint.pth": inner, "config.py": text.encode()}
    yield "config", save_package(folder / "config.zip", **changes)
    whole = save_package(folder / "whole.zip")
    for name, mode in (
        ("link", stat.S_IFLNK | 0o777),
        ("device", stat.S_IFCHR | 0o644),
        ("pipe", stat.S_IFIFO | 0o644),
        ("as-folder", stat.S_IFDIR | 0o755),
        ("setuid", stat.S_IFREG | stat.S_ISUID | 0o755),
        ("setgid", stat.S_IFREG | stat.S_ISGID | 0o755),
        ("sticky", stat.S_IFREG | stat.S_ISVTX | 0o644),
    ):
        yield name, _with_member(whole, folder / f"{name}.zip", "card.md", mode)
    for number, name in enumerate(
        (
            *("CONFIG.py", "ﬁle.md", "config.py.", "config.py ", " config.py"),
            *("/etc/a", "../a", "a/b", "a\\b", "C:a", "a/", "a\nb", "a\u202eb", ""),
        )
    ):
        mode = stat.S_IFREG | 0o644
        path = folder / f"name-{number}.zip"
        also = ("file.md",) if number == 1 else ()
        yield f"name-{number}", _with_member(whole, path, name, mode, *also)
    for name, manifest in _manifests(whole):
        with zipfile.ZipFile(whole) as archive:
            members = {one: archive.read(one) for one in archive.namelist()}
        members["manifest.json"] = manifest
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for one, content in members.items():
                archive.writestr(one, content)
        yield name, folder / f"{name}.zip"
    (folder / "folder.zip").mkdir()
    yield "folder", folder / "folder.zip"
    os.mkfifo(folder / "pipe-file.zip")
    yield "pipe-file", folder / "pipe-file.zip"


def _with_member(whole: Path, path: Path, name: str, mode: int, *more: str) -> Path:
    """Write a package with one more member, which its manifest lists."""
    with zipfile.ZipFile(whole) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    for one in (name, *more):
        manifest["files"][one] = manifest["files"]["classes.txt"]
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for one, content in members.items():
            archive.writestr(one, content)
        for one in (name, *more):
            info = zipfile.ZipInfo(one)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, members["classes.txt"])
    return path


def _manifests(whole: Path) -> Iterator[tuple[str, bytes]]:
    """Yield manifests that are no manifest, or not one of ours."""
    with zipfile.ZipFile(whole) as archive:
        sound = json.loads(archive.read("manifest.json"))
    for number, files in enumerate(([], 3, None, "a", {"config.py": 3}, {"a": []})):
        yield f"files-{number}", json.dumps(sound | {"files": files}).encode()
    for number, value in enumerate(([], 3, None, {}, "a" * 1000)):
        yield f"format-{number}", json.dumps(sound | {"format": value}).encode()
    yield "manifest-list", b"[]"
    yield "manifest-deep", b"[" * 100_000
    yield "manifest-number", b'{"format": ' + b"9" * 5000 + b"}"
    yield "manifest-bytes", b"\xff\xfe{}"
    yield "manifest-large", b" " * (1 << 21)


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield damaged copies: cut, with bits flipped, with bytes moved or repeated."""
    draw = random.Random(seed)
    for number in range(count):
        spoilt = bytearray(content)
        match number % 4:
            case 0:
                del spoilt[draw.randrange(len(spoilt)) :]
            case 1:
                for _ in range(draw.choice((1, 1, 3, 20))):
                    spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
            case 2:
                place, length = draw.randrange(len(spoilt)), draw.randrange(1, 64)
                spoilt[place : place + length] = draw.randbytes(length)
            case 3:
                one, other = sorted(draw.choices(range(len(spoilt)), k=2))
                spoilt[one:one] = spoilt[other : other + draw.randrange(64)]
        yield bytes(spoilt)
