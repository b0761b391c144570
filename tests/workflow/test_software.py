"""Where the jobs get their software from: --sdm conda and --sdm apptainer.

Neither program is installed for the tests. A stand-in shows what Snakemake asks of
Apptainer; that it does it is not shown. conda's files are read, not solved.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mmdet_flow.start.doctor.environment import PYTHONS
from tests.conftest import BIN, ROOT, run_command
from tests.workflow.test_workflow import SMALL, write_config

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


LOAD = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, ResourceSettings

with SnakemakeApi() as api:
    loaded = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(),
        snakefile=Path(sys.argv[1]),
        workdir=Path(sys.argv[2]),
    )
    rules = {
        rule.name: str(rule.conda_env or "")
        for rule in loaded._workflow.rules
        if rule.shellcmd
    }
print(json.dumps(rules))
"""
"""Prints the environment of each rule that runs a command, as Snakemake has it."""


@pytest.fixture(scope="module")
def conda_files(tmp_path_factory) -> dict[str, str]:
    """The file for conda of each rule that runs a command, as its rule names it."""
    folder = tmp_path_factory.mktemp("rules")
    write_config(folder, SMALL)
    command = [sys.executable, "-c", LOAD, ROOT / "Snakefile", folder]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_each_rule_that_runs_a_command_names_an_environment(conda_files):
    assert len(conda_files) > 20
    assert [rule for rule, file in conda_files.items() if not file] == []


def test_the_files_for_conda_agree_with_the_locks(conda_files):
    locked = dict(
        line.lower().split("==")
        for line in (ROOT / "envs/main.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    # Relative to the rules.
    files = {(ROOT / "rules" / name).resolve() for name in conda_files.values()}
    assert files == {ROOT / "envs/main.yaml"}
    for path in files:
        content = yaml.safe_load(path.read_text())
        assert content.keys() == {"channels", "dependencies"}
        lines = content["dependencies"]
        pins = dict(re.match(r"([\w.-]+)=*(.*)", line).groups() for line in lines)
        minor = int(pins.pop("python").removeprefix("3."))
        assert (3, minor) in PYTHONS
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
