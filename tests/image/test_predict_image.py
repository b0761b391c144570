"""The small image: it predicts what the main environment predicts, without torch."""

import json

import pytest

from tests.conftest import command_of
from tests.image.conftest import USER, Workspace
from tests.image.podman import SMALL, podman, run
from tests.small_environment import pictures_in, random_package

pytestmark = [pytest.mark.image, pytest.mark.usefixtures("small_image")]

LARGEST = 500_000_000
EPOCH = "1700000000"


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    return random_package(tmp_path_factory.mktemp("packed"))


@pytest.fixture
def workspace(packed, tmp_path) -> Workspace:
    (tmp_path / "user").mkdir()
    made = Workspace.make(tmp_path / "user")
    made.put("model.zip", packed.read_bytes())
    pictures_in(made.folder / "in")
    return made


def test_it_is_small():
    [described] = json.loads(podman("image", "inspect", SMALL).stdout)
    assert described["Size"] <= LARGEST
    assert described["Labels"]["org.opencontainers.image.title"] == "mmdet-flow-predict"


def test_what_builds_stayed_behind():
    tools = "cc c++ gcc g++ cpp ld as strip make git pip pip3"
    assert run("bash", "-c", f"type -P {tools} || true", image=SMALL).stdout == ""


@pytest.mark.parametrize("cached", [True, False])
def test_it_predicts_the_same_bytes(cached, workspace, monkeypatch):
    """As a user without a name, read-only and without a network."""
    options = ("--score", "0.05", "--keep_input", "--prediction_format", "both")
    places = [workspace.folder / name for name in ("in", "ours", "model.zip")]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    ours = [
        *("--prediction_in", places[0], "--prediction_out", places[1]),
        *("--package", places[2], *options),
    ]
    assert command_of("predict")(ours) == 0
    volumes = [f"--volume={workspace.folder}:/workspace"]
    volumes += [f"--volume={workspace.cache}:/.cache"] if cached else []
    run(
        *("mmdet_predict", "--package", "model.zip", *options),
        *("--prediction_in", "in", "--prediction_out", "out"),
        options=(*volumes, f"--env=SOURCE_DATE_EPOCH={EPOCH}"),
        image=SMALL,
    )
    made = sorted((workspace.folder / "out").glob("[!.]*"))
    assert len(made) == 8 and {path.stat().st_uid for path in made} == {USER}
    for path in made:
        assert path.read_bytes() == (places[1] / path.name).read_bytes()
    found = json.loads((workspace.folder / "out/png.json").read_text())["objects"]
    assert found
    assert bool(list(workspace.cache.rglob("*.blob"))) == cached


def test_what_it_lacks_is_one_line():
    told = run("mmdet-flow", "model", "train", "x.py", image=SMALL, check=False)
    assert told.returncode == 2
    [line] = told.stderr.splitlines()
    assert "Traceback" not in line
