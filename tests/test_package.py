"""The package as it is published: its sources, its wheel, and what that installs."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path, PurePosixPath

import pytest

from mmdet_flow import PACKED, __version__
from mmdet_flow.errors import FlowError, UsageError
from mmdet_flow.project_files import PARTS, SOURCES
from tests.conftest import BIN, ROOT, command_of, made_once, the_error

OF_DEVELOPERS = {
    *(".ci", ".snakemake-workflow-catalog.yml", "benchmarks", "config", "findings"),
    "tests",
}
"""What no project folder has."""

PACKED_IN_WHEEL = PurePosixPath(PACKED.parent.name, PACKED.name)


def tracked() -> list[str]:
    """Return the files that git knows, but for those that were taken away."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout of git")
    run = subprocess.run(
        # Of whoever owns the checkout, which tests only read.
        (git, "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z"),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return [name for name in run.stdout.split("\0") if (ROOT / name).is_file()]


def deployed() -> set[str]:
    """Return those that a project folder is to have."""
    return {name for name in tracked() if name.split("/")[0] in (*PARTS, SOURCES)}


def quiet(*words: object, **options) -> str:
    """Run a program that must succeed; return what it prints."""
    run = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def checkout(shared) -> Path:
    """A checkout whose last commit is what lies here, with files that git ignores."""

    def make(folder: Path) -> None:
        for name in tracked():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        git = (
            "git",
            "-C",
            folder,
            "-c",
            "user.name=me",
            "-c",
            "user.email=me@localhost",
        )
        quiet(*git, "init")
        quiet(*git, "add", ".")
        quiet(*git, "commit", "--message=all")
        for ignored in ("docs/logs/run.log", "rules/results/made.csv"):
            (folder / ignored).parent.mkdir()
            (folder / ignored).write_text("of the one who builds")

    return made_once(shared / "checkout", make)


def package(checkout: Path, folder: Path) -> Path:
    """Build sources and wheel in a folder, as make package does."""
    path = os.pathsep.join((str(BIN), os.environ["PATH"]))
    own = {"PATH": path, "PYTHONPATH": "", "PIP_NO_INDEX": "1"}
    quiet("envs/package.sh", folder, cwd=checkout, env=os.environ | own)
    return folder


@pytest.fixture(scope="module")
def built(checkout, shared) -> Path:
    """A folder with the sources, and the wheel of these."""
    return made_once(
        shared / "package", lambda folder: package(checkout, folder) and None
    )


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    [found] = built.glob("*.whl")
    return found


def test_each_file_is_for_users_or_for_developers():
    """One that is neither needs a decision: PARTS, or OF_DEVELOPERS."""
    tops = {name.split("/")[0] for name in tracked()}
    assert tops == {*PARTS, SOURCES} | OF_DEVELOPERS


def test_the_wheel_has_the_files_that_git_knows(wheel):
    wanted = {
        name.removeprefix(f"{SOURCES}/")
        if name.startswith(f"{SOURCES}/")
        else str(PACKED_IN_WHEEL / name)
        for name in deployed()
    }
    with zipfile.ZipFile(wheel) as content:
        found = {name for name in content.namelist() if ".dist-info/" not in name}
    assert found == wanted


def test_the_sources_have_them_too(built):
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = [one.name.partition("/")[2] for one in content if one.isfile()]
    made = {"PKG-INFO", "setup.cfg"}
    found = {one for one in names if one not in made and ".egg-info/" not in one}
    assert found == deployed()


def test_a_commit_gives_the_same_bytes(checkout, built, tmp_path):
    """By another one, later, and nobody's name is in them."""
    again = package(checkout, tmp_path / "dist")
    names = sorted(path.name for path in built.iterdir())
    assert names == sorted(path.name for path in again.iterdir()) and len(names) == 2
    for name in names:
        assert (again / name).read_bytes() == (built / name).read_bytes(), name
    with tarfile.open(next(built.glob("*.tar.gz"))) as content:
        assert {(one.uid, one.gid, one.uname, one.gname) for one in content} == {
            (0, 0, "", "")
        }


def test_what_is_not_committed_is_no_package(checkout, tmp_path):
    changed = shutil.copytree(checkout, tmp_path / "changed", symlinks=True)
    for number in range(6):
        (changed / f"docs/new {number}, ü.md").touch()
    with (changed / "README.md").open("a") as readme:
        readme.write("more")
    run = subprocess.run(
        (changed / "envs/package.sh", tmp_path / "dist"),
        cwd=changed,
        capture_output=True,
        text=True,
    )
    said = the_error(run)
    assert "files that are not committed: README.md, " in said
    assert "docs/new 0, ü.md" in said and "docs/new 4, ü.md" not in said
    assert " and 2 more; commit or remove them" in said
    assert not (tmp_path / "dist").exists()


def test_the_metadata_say_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as content:
        [name] = (one for one in content.namelist() if one.endswith("/METADATA"))
        metadata = message_from_bytes(content.read(name))
    assert metadata["Name"] == "mmdet-flow"
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == "<3.14,>=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload(decode=True) == (ROOT / "README.md").read_bytes()
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "envs/main.txt").read_text(), re.M)
    required = metadata.get_all("Requires-Dist")
    names = {re.match(r"[\w.-]+", one)[0] for one in required}
    assert {"mmdet", "openvino", "snakemake"} <= names
    assert {plain(one) for one in names} <= {plain(one) for one in locked}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_version_stands_in_one_place():
    named = [
        name
        for name in tracked()
        if re.fullmatch(r"scripts/mmdet_flow/\w+\.py|[^/]+\.(toml|cff|py)", name)
        and __version__ in (ROOT / name).read_text()
    ]
    assert named == ["scripts/mmdet_flow/__init__.py"]


@pytest.fixture(scope="module")
def installed(wheel, shared) -> Path:
    """The programs of an environment with the wheel, and with what this one has."""

    def install(folder: Path) -> None:
        quiet(sys.executable, "-m", "venv", "--without-pip", folder)
        python = folder / "bin/python"
        options = "--no-deps", "--no-index", "--quiet", "--no-compile"
        pip = (sys.executable, "-m", "pip", "--python", python)
        quiet(*pip, "install", *options, wheel, env=os.environ | {"PYTHONPATH": ""})
        [packages] = folder.glob("lib/python*/site-packages")
        (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")

    return made_once(shared / "installed", install) / "bin"


@pytest.fixture(scope="module")
def project(installed, shared) -> Path:
    """A folder that the installed command has made."""

    def make(folder: Path) -> None:
        run = run_installed(installed / "mmdet-flow", "new", "cells", cwd=folder)
        assert run.returncode == 0, run.stderr
        assert "  cd cells\n  make setup " in run.stdout
        assert sorted(path.name for path in folder.iterdir()) == ["cells"]

    return made_once(shared / "projects", make) / "cells"


def run_installed(*words: object, **options) -> subprocess.CompletedProcess:
    """Run a program without what this process was told about modules and commands."""
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    variables["PATH"] = os.pathsep.join(
        one for one in variables["PATH"].split(os.pathsep) if Path(one) != BIN
    )
    return subprocess.run(
        [*map(str, words)], capture_output=True, text=True, env=variables, **options
    )


def test_the_installed_command_has_help(installed, tmp_path):
    run = run_installed(installed / "mmdet-flow", "--help", cwd=tmp_path)
    assert run.returncode == 0 and "\n  new " in run.stdout


def test_a_project_has_the_files_that_git_knows(project):
    files = [one for one in project.rglob("*") if one.is_file()]
    assert {str(one.relative_to(project)) for one in files} == deployed()
    for name in deployed():
        mine, theirs = project / name, ROOT / name
        assert mine.read_bytes() == theirs.read_bytes(), name
        assert os.access(mine, os.X_OK) == os.access(theirs, os.X_OK), name


def test_snakemake_plans_a_run_there(project, installed, tmp_path):
    folder = shutil.copytree(project, tmp_path / "cells")
    program = "import sys; from snakemake.cli import main; sys.exit(main())"
    words = installed / "python", "-c", program, "--dry-run", "--cores", "1"
    run = run_installed(*words, cwd=folder)
    assert run.returncode == 0, run.stderr
    jobs = re.findall(r"^(\w+) +1$", run.stdout, re.MULTILINE)
    assert {"convert_annotations", "train_model", "summarize"} <= {*jobs}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("full", "has something in it"),
        ("file", "is a file"),
        ("nowhere", "is a link to nothing"),
        (".", "is where you are"),
        ("x" * 300, "File name too long"),
        ("file/below", "File exists"),
    ],
)
def test_a_folder_that_cannot_be_taken(name, reason, tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/photo.jpg").touch()
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("gone")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path / ("here" if name == "." else ""))
    assert command_of("new")([name]) in (FlowError.exit_code, UsageError.exit_code)
    [line] = capsys.readouterr().err.splitlines()
    assert reason in line and re.search("(name|choose) a(nother| new)", line)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    assert command_of("new")([tmp_path / "link"]) == 0
    assert (tmp_path / "empty/Snakefile").is_file()
    assert (tmp_path / "link").is_symlink()


def test_a_project_is_whole_or_not_there(tmp_path):
    """No file may become larger than 20 KB, as on a disk that is full."""
    command = f"ulimit -f 20; exec {BIN}/mmdet-flow new deep/er/cells"
    run = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True
    )
    assert "deep/er/cells: cannot be made: File too large" in the_error(run)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["cells", "of mine/cells", "-cells", "-", "--help"])
def test_a_shell_goes_where_it_is_told_to(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command_of("new")(["--", name]) == 0
    [line] = re.findall(r"^  (cd .+)$", capsys.readouterr().out, re.MULTILINE)
    there = subprocess.run(
        ["bash", "-c", f"{line} && pwd"], capture_output=True, text=True, check=True
    )
    assert Path(there.stdout.strip()) == tmp_path / name
