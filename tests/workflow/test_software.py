"""Where the jobs get their software from: --sdm conda and --sdm apptainer.

Neither program is installed for the tests. A stand-in shows what Snakemake asks of
Apptainer; that it does it is not shown. conda's files are read, not solved.
"""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import BIN, ROOT, run_command
from tests.workflow.test_workflow import SMALL, write_config

RULE_FILES = sorted(ROOT.glob("rules/*.smk"))
ENVIRONMENT = re.compile(r'^    conda:\n        "(.+)"$', re.MULTILINE)
TARGET = "results/example/model/base.py"

STAND_IN = """\
#!/usr/bin/env bash
echo "$@" >>{log}
case $1 in
  --version) echo "apptainer version 1.3.0" ;;
  pull) touch "$3" ;;
  *) exec "${{@: -3}}" ;;
esac
"""


def conda_files() -> set[Path]:
    return {
        (path.parent / name).resolve()
        for path in RULE_FILES
        for name in ENVIRONMENT.findall(path.read_text())
    }


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_each_rule_that_runs_a_command_names_an_environment(path):
    for rule in re.split(
        r"^(?:rule|checkpoint) ", path.read_text(), flags=re.MULTILINE
    ):
        assert ("    shell:\n" in rule) == bool(ENVIRONMENT.search(rule)), rule


def test_the_files_for_conda_agree_with_the_locks():
    locked = dict(
        line.lower().split("==")
        for line in (ROOT / "envs/main.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    files = conda_files()
    assert files == {ROOT / "envs/main.yaml"}
    for path in files:
        content = yaml.safe_load(path.read_text())
        assert content.keys() == {"channels", "dependencies"}
        lines = content["dependencies"]
        pins = dict(re.match(r"([\w.-]+)=*(.*)", line).groups() for line in lines)
        minor = int(pins.pop("python").removeprefix("3."))
        assert project["requires-python"] == f">=3.{minor},<3.{minor + 1}"
        assert pins == {name: locked.get(name, pin) for name, pin in pins.items()}


def snakemake(folder: Path, *options: str):
    """Run snakemake with no more on the PATH than it takes, and a folder bin/."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("bash", "touch", "uname", "which"):
        (programs / name).symlink_to(shutil.which(name))
    write_config(folder, SMALL)
    return run_command(
        *("snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder),
        *("--cores", "2", *options, "--", TARGET),
        PATH=f"{programs}:{BIN}",
    )


@pytest.mark.parametrize("method", ["apptainer", "conda"])
def test_without_the_program_snakemake_says_so(tmp_path, method):
    run = snakemake(tmp_path, "-n", "--sdm", method)
    assert run.returncode != 0
    assert re.search(rf"\nWorkflowError:\n.*\b{method}\b.*$", run.stdout)
    assert "Traceback" not in run.stdout + run.stderr


def test_without_sdm_no_image_is_asked_for(tmp_path):
    run = snakemake(tmp_path, "-n")
    assert run.returncode == 0 and "export_config" in run.stdout


@pytest.mark.parametrize(
    ("options", "image"),
    [
        ((), "mmdet-flow.sif"),
        (("--config", "container=docker://registry.example.org/flow:1"), ".simg"),
    ],
)
def test_apptainer_is_asked_to_run_the_job_in_the_image(tmp_path, options, image):
    log = tmp_path / "asked"
    program = tmp_path / "bin/apptainer"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(log=log))
    program.chmod(0o755)
    run = snakemake(tmp_path, "--sdm", "apptainer", *options)
    assert run.returncode == 0, run.stderr[-3000:]
    assert (tmp_path / TARGET).stat().st_size > 0
    asked = log.read_text()
    assert re.search(
        rf"exec --home \S+ .*{image} bash -c .*mmdet-flow model config", asked
    )
    assert ("pull" in asked) == bool(options)
