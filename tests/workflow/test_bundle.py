"""The bundle of wheels: what describes it, and what the set-up refuses of it."""

import importlib.util
import platform
import subprocess
from pathlib import Path

import pytest

from mmdet_flow.files import sha256_of
from tests.conftest import ROOT

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
