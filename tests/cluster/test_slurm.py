"""The whole workflow on a real Slurm of two nodes."""

from pathlib import Path

import pytest

from tests.cluster.slurm import NODES, slurm
from tests.conftest import ROOT

pytestmark = pytest.mark.slurm

BASE = "results/example/model/base.py"


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".snakemake")
    }


def test_the_workflow_runs_on_two_nodes(whole):
    assert "mAP" in (whole.results / "summary.txt").read_text()
    jobs = slurm("squeue", "-h", "--states=all", "-o", "%k %N %T").splitlines()
    jobs = [job for job in jobs if job.startswith("rule_")]
    assert all("COMPLETED" in job for job in jobs)
    nodes = [job.split()[1] for job in jobs if "rule_predict_images" in job]
    assert sorted(nodes) == sorted(NODES)
    objects = (whole.results / "predictions/objects.csv").read_text()
    assert len(objects.splitlines()) > 1


def test_nodes_give_the_bytes_of_one_machine(whole, tmp_path):
    """Weights, predictions and tables."""
    project = whole.copy(tmp_path / "project")
    project.forget_training()
    project.run(profile=None)
    for folder in ("model", "predictions", "evaluation"):
        assert files_below(project.results / folder) == files_below(
            whole.results / folder
        ), folder


def test_a_job_over_its_memory_gets_more(cluster, project):
    base = project.folder / BASE
    wanted = base.read_bytes()
    base.unlink()
    memory = "export_config:mem_mb=20 if attempt == 1 else 4000"
    project.run(BASE, options=["--set-resources", memory])
    assert base.read_bytes() == wanted
    assert project.job_of("export_config")["MinMemoryNode"] == "4000M"


def test_another_submit_command(cluster, project):
    """The generic executor, with sbatch in the place of any scheduler's command."""
    base = project.folder / BASE
    base.unlink()
    status = str(ROOT / "profiles/cluster-generic/status.sh")
    options = ["--cluster-generic-status-cmd", status]
    project.run(BASE, options=options, profile="cluster-generic")
    assert base.is_file()
