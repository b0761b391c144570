import subprocess

from mmdet_flow.record.machine import git_state

AUTHOR = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


def git(folder, *args) -> str:
    command = ["git", "-C", folder, *AUTHOR, *args]
    return subprocess.check_output(command, text=True, stderr=subprocess.STDOUT)


def test_the_git_state_is_that_of_the_sources(tmp_path):
    assert git_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) is None  # there is no commit yet
    for name in ("Snakefile", "config.yaml"):
        (tmp_path / name).write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    assert git_state(tmp_path) == {"commit": commit, "dirty": False}
    # The user's config is in the record itself, and results are no sources.
    (tmp_path / "config.yaml").write_text("2")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x").write_text("2")
    assert git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "Snakefile").write_text("2")
    assert git_state(tmp_path) == {"commit": commit, "dirty": True}
    # A folder inside of another repository has no state of its own.
    assert git_state(tmp_path / "results") is None
