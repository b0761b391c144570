from mmdet_flow.record.jobs import find_jobs, times
from mmdet_flow.results import ResultsFolder
from tests.conftest import run_command

LONG = "x" * 120
WORKFLOW = f"""
rule long:
    output: "r/{LONG}/{LONG}/{{shard}}/made.txt", directory("r/{LONG}/many-{{shard}}")
    log: "r/logs/long-{{shard}}.log"
    shell: "mkdir -p {{output[1]}}; sleep 0.2; touch {{output[0]}}"
"""


def test_jobs_are_told_apart_by_their_log_and_names_may_be_long(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(WORKFLOW)
    made = [f"r/{LONG}/{LONG}/{shard}/made.txt" for shard in (0, 1)]
    done = run_command("snakemake", "--cores", "1", *made, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "r"
    outputs = sorted(run.rglob("*"))
    jobs = find_jobs(outputs, tmp_path / ".snakemake")
    assert [job.name for job in jobs] == ["long-0", "long-1"]
    assert {job.rule for job in jobs} == {"long"}
    assert sorted(jobs[1].outputs) == sorted([made[1], f"r/{LONG}/many-1"])
    assert f"mkdir -p r/{LONG}/many-1; sleep" in jobs[1].command
    known = times(jobs, {})
    assert 0.2 <= known["long-0"]["seconds"] < 30
    assert known["long-0"]["started"] != known["long-1"]["started"]
    assert find_jobs(outputs, tmp_path / "nowhere") == []


def test_benchmarks_alone_tell_how_long_a_job_took(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    table = "s\th:m:s\tmax_rss\n1.5\t0:00:01\t{}\n"
    for name, memory in (("train_model", "900.5"), ("predict_images-0", "NA")):
        (tmp_path / "benchmarks" / f"{name}.tsv").write_text(table.format(memory))
    assert times([], ResultsFolder(tmp_path).benchmarks) == {
        "train_model": {"started": None, "seconds": 1.5, "max_rss_mb": 900.5},
        "predict_images-0": {"started": None, "seconds": 1.5, "max_rss_mb": None},
    }
