"""The plan of Snakemake, and the profiles that it takes."""

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.start.doctor import workflow
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            'WorkflowError in file "/a/common.smk", line 47:\nconfig, at x: wrong\n'
            '  File "/a/common.smk", line 116, in <module>\n',
            "config, at x: wrong",
        ),
        (
            "Using profile x\nError: profile directory given\n",
            "profile directory given",
        ),
        ("Killed\n", "Killed"),
        ("", "no message"),
    ],
)
def test_what_snakemake_says_becomes_one_line(said, reason):
    assert workflow.one_line(said) == reason


def test_a_key_that_the_schema_does_not_know(tmp_path):
    file = tmp_path / "other.yaml"
    file.write_text((ROOT / "config.yaml").read_text().replace("epochs:", "epoch:"))
    with pytest.raises(UsageError, match="unknown key epoch; did you mean epochs"):
        workflow.dry_run(ROOT, file, tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def test_only_what_a_dry_run_made_is_removed(tmp_path):
    mine = tmp_path / ".snakemake"
    with workflow.without_trace(mine):
        (mine / "iocache").mkdir(parents=True)
        (mine / "iocache/latest.pkl").touch()
        (mine / "locks").mkdir()
    assert not mine.exists()
    with workflow.without_trace(mine):
        (mine / "locks").mkdir(parents=True)
        (mine / "locks/0.input.lock").touch()  # of a run that began meanwhile
    assert (mine / "locks/0.input.lock").exists()


def test_profiles_that_snakemake_would_stumble_over(tmp_path):
    (tmp_path / "default").mkdir()
    with pytest.raises(UsageError, match="takes a folder of this name for a profile"):
        workflow.profile(tmp_path, {})
    (tmp_path / "default/profile.yaml").write_text("jobs: 1\n")
    assert workflow.profile(tmp_path, {}) == "that of the checkout"
    with pytest.raises(UsageError, match="SNAKEMAKE_PROFILE=site: no such profile"):
        workflow.profile(tmp_path, {"SNAKEMAKE_PROFILE": "site"}, [tmp_path / "home"])
    (tmp_path / "home/site").mkdir(parents=True)
    (tmp_path / "home/site/profile.yaml").write_text("jobs: 1\n")
    variables, home = {"SNAKEMAKE_PROFILE": "site"}, [tmp_path / "home"]
    assert workflow.profile(tmp_path, variables, home) == "SNAKEMAKE_PROFILE=site"
    path = str(tmp_path / "home/site")  # as in the image
    assert path in workflow.profile(tmp_path, {"SNAKEMAKE_PROFILE": path}, [])
    (tmp_path / "home/site/profile.yaml").write_text("executor: slurm\n")
    with pytest.raises(UsageError, match="sends jobs to Slurm, and there is no sbatch"):
        workflow.profile(tmp_path, variables, home, search=str(tmp_path))
