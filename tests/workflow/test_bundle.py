"""The bundle of wheels: what describes it, and what the set-up refuses of it."""

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mmdet_flow.files import sha256_of
from tests.conftest import BIN, ROOT

NO_GLIBC = "99"
"""The N of a glibc 2.N that no machine has: the last thing that the set-up looks at."""


def bundle_module():
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "envs/bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bundle(tmp_path) -> Path:
    """Files with names of wheels, described as in a bundle."""
    folder = tmp_path / "a bundle"
    folder.mkdir()
    for tags in ("py3-none-any", f"cp311-cp311-manylinux_2_{NO_GLIBC}_x86_64"):
        (folder / f"wheel-1.0-{tags}.whl").write_text(tags)
    bundle_module().describe(folder)
    return folder


def set_up(bundle: Path) -> str:
    """Return the one line with which the set-up refuses a bundle."""
    root = bundle.parent / "checkout"
    run = subprocess.run(
        [ROOT / "envs/setup.sh", "--bundle", bundle, root],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1, run.stdout
    assert not root.exists(), "an environment was begun"
    (line,) = run.stderr.splitlines()
    return line.removeprefix(f"error: {bundle}: ").removeprefix("error: ")


def sign(bundle: Path) -> None:
    """Make the checksums anew, so that what was changed is no damage."""
    others = [path for path in bundle.iterdir() if path.name != "SHA256SUMS"]
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in sorted(others)]
    (bundle / "SHA256SUMS").write_text("".join(lines))


def test_a_bundle_is_described_with_what_it_needs(bundle):
    names = {path.name for path in bundle.iterdir()}
    assert (bundle / "platform.txt").read_text().split() == [
        *(platform.machine(), f"2.{NO_GLIBC}")
    ]
    listed = {line[66:] for line in (bundle / "SHA256SUMS").read_text().splitlines()}
    assert listed == names - {"SHA256SUMS"} and len(listed) == 3


@pytest.fixture
def weights(bundle, tmp_path, trained, monkeypatch) -> Path:
    """Weights of the bundle, from a mirror."""
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MMDET_FLOW_MIRRORS", str(tmp_path / "mirror"))
    name = f"shore-{sha256_of(trained.checkpoint)[:8]}.pth"
    (tmp_path / "mirror").mkdir()
    shutil.copy(trained.checkpoint, tmp_path / "mirror" / name)
    bundle_module().collect_weights(bundle, [name])
    (bundle / "SHA256SUMS").unlink()
    bundle_module().describe(bundle)
    return bundle / "weights" / name


def test_weights_are_in_the_bundle_and_in_its_archive(bundle, weights, tmp_path):
    lines = (bundle / "SHA256SUMS").read_text().splitlines()
    assert f"{sha256_of(weights)}  weights/{weights.name}" in lines
    assert set_up(bundle).startswith(f"the bundle needs glibc 2.{NO_GLIBC}")
    bundle_module().pack(bundle, tmp_path / "bundle.tar", "top")
    with tarfile.open(tmp_path / "bundle.tar") as tar:
        inside = tar.extractfile(f"top/bundle/weights/{weights.name}").read()
    assert hashlib.sha256(inside).hexdigest() == sha256_of(weights)


def test_the_set_up_keeps_the_weights_of_the_bundle(bundle, weights, tmp_path):
    """Its function is run alone; a set-up takes minutes."""
    text = (ROOT / "envs/setup.sh").read_text()
    (function,) = re.findall(r"^keep_weights\(\) \{.*?^\}$", text, re.M | re.S)
    variables = os.environ | {"MMDET_FLOW_CACHE": str(tmp_path / "new")}
    script = f"{function}\nbundle=$1 main=$2\nkeep_weights"
    argv = ["bash", "-euc", script, "bash", bundle, BIN.parent]
    run = subprocess.run(argv, capture_output=True, text=True, env=variables)
    assert run.returncode == 0, run.stderr
    assert sha256_of(tmp_path / "new/weights" / weights.name) == sha256_of(weights)


def test_damaged_weights_are_named(bundle, weights):
    weights.write_bytes(b"?")
    assert set_up(bundle) == (
        f"weights/{weights.name} is missing or damaged; copy the bundle again"
    )


def test_the_command_tells_what_is_wrong_in_one_line(tmp_path, monkeypatch, capsys):
    """Here it is that nothing of the checkout is committed."""
    module = bundle_module()
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "file").write_text("x")
    subprocess.run(["git", "-C", tmp_path, "add", "file"], check=True)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert module.main(["--output", str(tmp_path / "dist")]) == 1
    assert "changes that are not committed; commit them" in capsys.readouterr().err


def test_an_older_machine_is_refused(bundle):
    """And all that is looked at before is in order."""
    line = set_up(bundle)
    assert line.startswith(f"the bundle needs glibc 2.{NO_GLIBC}, and this machine has")
    assert line.endswith("make one on an older Linux")


def test_another_machine_is_refused(bundle):
    (bundle / "platform.txt").write_text("pdp11 2.1\n")
    sign(bundle)
    assert set_up(bundle) == (
        f"the bundle is for pdp11, and this machine is {platform.machine()}; "
        "make one on its like"
    )


def test_another_python_is_refused(bundle, monkeypatch):
    monkeypatch.setenv("PYTHON", sys.executable)
    (bundle / "mmcv-2.1.0-cp39-cp39-linux_x86_64.whl").touch()
    sign(bundle)
    assert set_up(bundle) == (
        "the bundle is for python3.9, and this is "
        f"python3.{sys.version_info.minor}; install that"
    )


def test_a_python_that_is_named_and_is_none(bundle, monkeypatch):
    monkeypatch.setenv("PYTHON", "/bin/false")
    assert set_up(bundle) == (
        "PYTHON=/bin/false is no Python; name one of 3.11, 3.12 or 3.13"
    )


def test_a_folder_that_is_no_bundle_is_refused(bundle):
    (bundle / "SHA256SUMS").unlink()
    assert set_up(bundle) == "has no SHA256SUMS; name the folder that make bundle made"


def test_a_damaged_file_is_named(bundle):
    wheel = bundle / "wheel-1.0-py3-none-any.whl"
    wheel.write_text("py3-none-anx")
    assert set_up(bundle) == (
        f"{wheel.name} is missing or damaged; copy the bundle again"
    )


def test_a_missing_file_is_named(bundle):
    wheel = bundle / "wheel-1.0-py3-none-any.whl"
    wheel.unlink()
    assert set_up(bundle) == (
        f"{wheel.name} is missing or damaged; copy the bundle again"
    )


@pytest.mark.parametrize("name", ["other-1.0-py3-none-any.whl", "folder/file.whl"])
def test_a_stranger_is_named(bundle, name):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("not of the bundle")
    assert set_up(bundle) == f"{name} is not in SHA256SUMS; take it away"


@pytest.mark.parametrize(
    ("tags", "minor"),
    [
        ("py3-none-any", 0),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", 17),
        ("cp311-cp311-manylinux2010_x86_64", 12),
        ("cp311-cp311-manylinux_2_28_x86_64", 28),
    ],
)
def test_the_tag_of_a_wheel_says_which_glibc(tags, minor):
    assert bundle_module().least_glibc(Path(f"wheel-1.0-{tags}.whl")) == minor
