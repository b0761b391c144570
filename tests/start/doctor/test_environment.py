"""The environment, on small real folders of packages."""

import sys
from pathlib import Path

import pytest

from mmdet_flow.errors import FlowError
from mmdet_flow.start.doctor import environment
from mmdet_flow.start.doctor.check import Note
from tests.conftest import ROOT

STAND_INS = ROOT / "envs/stand-ins"


def install(folder: Path, name: str, version: str) -> None:
    """Leave what pip leaves of a package: its description."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "main.txt"
    # The last one is needed to build alone, and the image has none.
    path.write_text("# pinned\ntorch==2.13.0\n\nFast_Opex==0.0.4\nninja==1.13.2\n")
    return path


def test_packages_as_in_the_lock(tmp_path, lock):
    install(tmp_path / "site", "torch", "2.13.0+cpu")
    install(tmp_path / "site", "fast-opex", "0.0.4")
    assert environment.packages(lock, tmp_path / "site") == "3 as in envs/main.txt"


def test_a_lock_may_have_a_version_for_each_python(tmp_path, lock):
    here = "{}.{}".format(*sys.version_info)
    lock.write_text(
        f'numpy==1.0; python_version < "{here}"\n'
        f'numpy==2.0; python_version >= "{here}"\n'
    )
    assert environment.pinned(lock) == {"numpy": "2.0"}
    install(tmp_path / "site", "numpy", "1.0")
    with pytest.raises(FlowError, match=r"numpy 1\.0 instead of 2\.0"):
        environment.packages(lock, tmp_path / "site")


def test_packages_that_differ_or_are_missing(tmp_path, lock):
    install(tmp_path / "site", "torch", "2.12.0")
    with pytest.raises(
        FlowError,
        match=r"torch 2\.12\.0 instead of 2\.13\.0, Fast_Opex missing .*make setup",
    ):
        environment.packages(lock, tmp_path / "site")


def test_a_foreign_planar_is_refused(tmp_path):
    with pytest.raises(FlowError, match="planar is missing"):
        environment.stand_ins_only(STAND_INS, tmp_path)
    install(tmp_path / "right", "planar", "0.4+standin")
    assert environment.stand_ins_only(STAND_INS, tmp_path / "right") == "planar"
    install(tmp_path / "foreign", "planar", "0.5.1")
    with pytest.raises(FlowError, match=r"planar 0\.5\.1 is not the stand-in"):
        environment.stand_ins_only(STAND_INS, tmp_path / "foreign")


def test_a_command_that_came_with_an_update(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project.scripts]\nmmdet_old = "a:b"\nmmdet_new = "a:c"\n')
    (tmp_path / "mmdet_old").touch()
    with pytest.raises(FlowError, match="mmdet_new: not installed; run make setup"):
        environment.commands(project, tmp_path)
    (tmp_path / "mmdet_new").touch()
    assert environment.commands(project, tmp_path) == "2 installed"


def test_packages_from_elsewhere(tmp_path):
    prefix = Path(sys.prefix)
    assert environment.leaks(sys.path, prefix, {}) == "no packages from elsewhere"
    said = environment.leaks(sys.path, prefix, {"PYTHONPATH": "/opt/site"})
    assert isinstance(said, Note) and "/opt/site" in said
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy/__init__.py").touch()
    with pytest.raises(FlowError, match=rf"numpy comes from {tmp_path}.*PYTHONPATH"):
        environment.leaks([str(tmp_path), *sys.path], prefix, {})


def test_operators_that_cannot_be_loaded(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('undefined symbol: x')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(FlowError, match="ImportError: undefined symbol: x; remove"):
        environment.operators(sys.executable)


def test_another_python_is_refused():
    with pytest.raises(FlowError, match=r"Python 3\.10\.1: the locks are for 3\.11 to"):
        environment.python((3, 10, 1))


def test_a_missing_compiler_is_a_note(tmp_path):
    assert isinstance(environment.compiler(str(tmp_path)), Note)
