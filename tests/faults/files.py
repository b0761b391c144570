"""Hostile files for each reader and loader: annotations, images, models, packages."""

import json
import os
import random
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from tests.faults.core import REFUSALS, Bug, Case, LetIn, Lost, require, scenario
from tests.faults.forks import forks_of
from tests.faults.kills import sources
from tests.faults.world import SCORE

CHECK, PREDICT = "data check", "predict"
MARKER, OUTPUT_MARK = "code-ran", "a stranger"


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Return content that is cut, flipped, overwritten, repeated or replaced."""
    spoilt = bytearray(content)
    place = dice.randrange(max(1, len(spoilt)))
    damage = dice.randrange(7)
    if damage == 0:
        del spoilt[place:]
    elif damage == 1:
        for _ in range(dice.choice((1, 3, 20))):
            spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
    elif damage == 2:
        spoilt[place : place + 16] = dice.randbytes(16)
    elif damage == 3:
        spoilt[place:place] = spoilt[: dice.randrange(200)]
    elif damage == 4:
        del spoilt[place : place + dice.randrange(1, 40)]
    elif damage == 5:
        spoilt = bytearray(dice.randbytes(dice.randrange(200)))
    else:
        spoilt[place : place + 1] = bytes(dice.randrange(1, 300))
    return bytes(spoilt)


def odd_entry(path: Path, entry: str) -> None:
    """Put something at a path that is no file to be read."""
    with suppress(FileNotFoundError):
        path.unlink()
    {
        "folder": path.mkdir,
        "FIFO": lambda: os.mkfifo(path),
        "link to itself": lambda: path.symlink_to(path.name),
        "link to nothing": lambda: path.symlink_to("nothing"),
        "link to a device": lambda: path.symlink_to("/dev/zero"),
        "empty": path.touch,
    }[entry]()


ODD = ("folder", "FIFO", "link to itself", "link to nothing", "link to a device")
ODD = (*ODD, "empty")

# Annotations


@scenario("hostile-annotations", cases=280)
def hostile_annotations(case: Case) -> None:
    """Damaged annotations of each format, checked: a finding or one line"""
    known = sources(case.world)
    name = sorted(known)[case.number % len(known)]
    folder, images = case.folder / "in", known[name][1]
    if known[name][0].is_file():
        folder.mkdir()
        shutil.copy(known[name][0], folder)
    else:
        pictures = shutil.ignore_patterns("*.jpg", "*.png")
        shutil.copytree(known[name][0], folder, ignore=pictures)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    path = case.dice.choice(files)
    if case.dice.random() < 0.1:
        odd_entry(path, case.dice.choice(ODD))
    else:
        path.write_bytes(damaged(path.read_bytes(), case.dice))
    source = path if known[name][0].is_file() else folder
    _check(case, name, source, images)


def _check(case: Case, name: str, annotations: Path, images: Path, *more) -> None:
    forks = forks_of(case.world, CHECK)
    place = case.folder / "cwd"
    place.mkdir()
    words = ("--format", name, "--annotations", annotations, "--images", images)
    done = forks.run(CHECK, *words, "--threads", 1, *more, cwd=place)
    require(done, 0, *REFUSALS)
    lines = done.stderr.splitlines()
    if done.code and sum(line.startswith("error: ") for line in lines) != 1:
        raise Bug(f"not one line: {done.stderr[:300]}")
    if any(place.iterdir()):
        raise LetIn("something was written where the command ran")


def _listed_annotations(world) -> list:
    try:
        made = import_module("tests.dataset.hostile_annotations")
    except ModuleNotFoundError:
        return []
    names = [format_name for format_name in made.VALID if format_name in sources(world)]
    return [
        (format_name, one) for format_name in names for one in made.cases(format_name)
    ]


@scenario("odd-annotations", cases=200, items=_listed_annotations)
def odd_annotations(case: Case) -> None:
    """Annotations with values of wrong types, odd words and encodings, checked"""
    made = import_module("tests.dataset.hostile_annotations")
    format_name, one = case.item
    images = case.folder / "images"
    images.mkdir()
    made.make_images(images)
    path = case.folder / "in" / made.VALID[format_name].name
    path.parent.mkdir()
    path.write_bytes(one.content)
    if format_name in made.BESIDE:
        _, beside, text = made.BESIDE[format_name]
        path.with_name(beside).write_text(text)
    _check(case, format_name, path.parent if format_name == "yolo" else path, images)


# Images


def _png(width: int, height: int, data: bytes = b"", depth: int = 8) -> bytes:
    def chunk(chunk_type: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(chunk_type + content))
        return struct.pack(">I", len(content)) + chunk_type + content + check

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    data = data or zlib.compress(bytes(64))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def odd_images(world) -> list[tuple[str, bytes | str]]:
    """Return images whose header claims too much, and what is no image at all."""
    whole = world.images[0].read_bytes()
    return [
        *((f"png of {s} x {s}", _png(s, s)) for s in (0, 30_000, 1 << 16, 0x7FFFFFFF)),
        *((f"png of 1 x {s}", _png(1, s)) for s in (1 << 20, 0x7FFFFFFF)),
        ("png of depth 3", _png(8, 8, depth=3)),
        ("jpeg cut in the middle", whole[: len(whole) // 2]),
        ("jpeg of its first bytes", whole[:20]),
        ("markup", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        *((f"zeros, {n} bytes", bytes(n)) for n in (1, 100, 1 << 20)),
        *((entry, entry) for entry in ODD),
    ]


@scenario("hostile-images", cases=160)
def hostile_images(case: Case) -> None:
    """Damaged images in a folder, predicted: the image fails by itself, in words"""
    odd = odd_images(case.world)
    folder = case.folder / "in"
    folder.mkdir()
    good = case.world.images[1]
    shutil.copy(good, folder / "good.jpg")
    bad = folder / "bad.jpg"
    if case.number < len(odd):
        content = odd[case.number][1]
    else:
        content = damaged(case.dice.choice(case.world.images).read_bytes(), case.dice)
    if isinstance(content, str):
        odd_entry(bad, content)
    else:
        bad.write_bytes(content)
    was = os.lstat(bad)
    done = forks_of(case.world, PREDICT).run(
        *(PREDICT, "--checkpoint", case.world.checkpoint, "--threads", 1),
        *("--prediction_in", folder, "--prediction_out", case.folder / "out"),
        *("--score", SCORE, "--max_failures", 1, "--backend", "torch", "--keep_input"),
        cwd=case.folder,
    )
    require(done, 0)
    if not (case.folder / "out" / "good.json").is_file():
        raise Lost("the good image beside it has no result")
    if (folder / "good.jpg").read_bytes() != good.read_bytes():
        raise Lost("the good image beside it was changed")
    if os.lstat(bad).st_ino != was.st_ino:
        raise Lost("the entry was moved or replaced")
    predicted = (case.folder / "out" / "bad.json").is_file()
    reason = (case.folder / "out" / "failed" / "bad.jpg.txt").is_file()
    is_image = isinstance(content, bytes)
    if predicted == reason and is_image:
        raise LetIn("neither predicted nor failed with a reason, or both")
    if predicted and not is_image:
        raise LetIn(f"a {content} was predicted as an image")


# Models


def _listed_models(world) -> list[tuple[str, Path, str]]:
    """Return names, paths and options of hostile checkpoints and packages."""
    return world.measured.get("hostile models", lambda: _write_models(world))


def _write_models(world) -> list[tuple[str, Path, str]]:
    folder = world.folder / "hostile"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    try:
        made = import_module("tests.model.hostile_models")
    except ModuleNotFoundError:
        return [
            (f"own-{n}", p, "--checkpoint")
            for n, p in enumerate(_own_checkpoints(world, folder))
        ]
    marker = folder / MARKER
    found = [
        (name, path, "--checkpoint")
        for name, path in made.hostile_checkpoints(folder / "a", marker)
    ]
    found += [
        (name, path, "--package")
        for name, path in made.hostile_packages(folder / "b", marker)
    ]
    return found


def _own_checkpoints(world, folder: Path) -> Iterator[Path]:
    """Write a few checkpoints with harmless markers; yield their paths."""
    import torch

    content = torch.load(world.checkpoint, weights_only=True)
    text = content["meta"]["cfg"]
    marker = f"open({str(folder / MARKER)!r}, 'w')\n"
    for number, cfg in enumerate((text + marker, text + f"a = {marker}", "a = (", 3)):
        changed = content | {"meta": content["meta"] | {"cfg": cfg}}
        path = folder / f"{number}.pth"
        torch.save(changed, path)
        yield path


@scenario("hostile-models", cases=140, items=_listed_models)
def hostile_models(case: Case) -> None:
    """Checkpoints and packages with code, odd values and odd members: refused"""
    name, path, option = case.item
    done = _predict_with(case, option, path)
    require(done, *REFUSALS, what=f"{name}: ")


@scenario("damaged-models", cases=160)
def damaged_models(case: Case) -> None:
    """Checkpoints and packages with damaged bytes: refused, or of the same weights"""
    package = case.number % 2
    whole = _whole_package(case.world) if package else case.world.checkpoint
    path = case.folder / whole.name
    path.write_bytes(damaged(whole.read_bytes(), case.dice))
    option = "--package" if package else "--checkpoint"
    done = _predict_with(case, option, path)
    require(done, 0, *REFUSALS)
    result = case.folder / "out" / "a.json"
    if done.code == 0:
        if not result.is_file():
            raise LetIn("exit code 0 and no result")
        wanted = case.world.measured.get("undamaged", lambda: _undamaged(case))
        if json.loads(result.read_text())["objects"] != wanted:
            raise LetIn("a damaged model was used without a word")


def _whole_package(world) -> Path:
    def make() -> Path:
        from mmdet_flow.handover.package import package
        from mmdet_flow.results import ResultsFolder

        path = world.folder / "small.zip"
        results = world.experiment(world.folder / "packed" / "small")
        package(ResultsFolder(results), path, None)
        shutil.rmtree(results)
        assert zipfile.is_zipfile(path)
        return path

    return world.measured.get("whole package", make)


def _undamaged(case: Case) -> list:
    place = case.folder / "undamaged"
    place.mkdir()
    own = Case("undamaged", 0, 0, place, case.world)
    require(_predict_with(own, "--checkpoint", case.world.checkpoint), 0)
    return json.loads((place / "out" / "a.json").read_text())["objects"]


def _predict_with(case: Case, option: str, path: Path):
    """Predict one image with a model, and see that it ran no code."""
    folder = case.folder / "in"
    folder.mkdir()
    shutil.copy(case.world.images[0], folder / "a.jpg")
    marker = case.world.folder / "hostile" / MARKER
    done = forks_of(case.world, PREDICT).run(
        *(PREDICT, option, path, "--threads", 1, "--score", SCORE, "--keep_input"),
        *("--prediction_in", folder, "--prediction_out", case.folder / "out"),
        *("--backend", "torch"),
        cwd=case.folder,
    )
    said = OUTPUT_MARK in done.stdout + done.stderr.replace("error: ", "")
    if marker.exists() or said:
        marker.unlink(missing_ok=True)
        raise LetIn(f"{path.name}: what the file holds was run")
    return done
