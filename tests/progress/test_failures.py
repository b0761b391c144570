"""Errors of Snakemake itself, as its users read them."""

import re
import subprocess

import pytest

from mmdet_flow.commands.run import require_config_files
from mmdet_flow.progress.failures import ANOTHER_RUN, NO_SNAKEFILE, in_short
from mmdet_flow.scrub import shown
from tests.conftest import BIN
from tests.progress.recorded import environment, prepare, wait_for, words

CHANGING = """
rule convert_annotations:
    output: "{experiment}.txt"
    params:
        options=lambda wildcards: f"--x={config['setting']}",
        data=lambda wildcards: config["data"],
    shell: "touch {output}"
"""
RULE = """
rule a:
    input: wrong
    output: "a"
"""
BROKEN = {
    "WorkflowError": """
from snakemake.exceptions import WorkflowError
raise WorkflowError("say {x}")
""",
    "FlowError": f"""
class UsageError(Exception): pass
def wrong(wildcards):
    raise UsageError("no experiment x")
{RULE}
""",
    "any": f"""
def wrong(wildcards):
    return {{}}["x"]
{RULE}
""",
    "missing": RULE.replace("wrong", '"none"'),
}
SAID = {
    "WorkflowError": "say {x}",
    "FlowError": "no experiment x",
    "any": "InputFunctionException in rule a: KeyError: 'x'",
    "missing": "MissingInputException in rule a: Missing input files for rule a:",
}


def called(folder, *words: str) -> subprocess.CompletedProcess:
    """Call one of our programs in a folder."""
    return subprocess.run(
        [BIN / words[0], *words[1:]],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
    )


def errors_of(folder, *arguments: str) -> list[str]:
    """Return what our logger says of errors, by lines."""
    done = called(folder, "mmdet-flow", "run", *arguments)
    assert done.returncode
    return (done.stdout + done.stderr).partition("error: ")[2].splitlines()


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_said_comes_first_and_without_places_in_code(tmp_path, name):
    (tmp_path / "Snakefile").write_text(f"{BROKEN[name]}\n")
    lines = errors_of(tmp_path, "-n", "a")
    assert lines[0].startswith(SAID[name])
    assert not [line for line in lines if re.search('File "|Traceback', line)]
    if name in ("WorkflowError", "FlowError"):
        assert lines == [SAID[name]]


def test_what_is_wrong_in_a_rule_has_its_place(tmp_path):
    (tmp_path / "Snakefile").write_text("\nx = 1 / 0\n")
    text = "\n".join(errors_of(tmp_path, "-n"))
    assert "ZeroDivisionError" in text and re.search('Snakefile", line 2', text)


def test_elsewhere_it_says_where_to_go(tmp_path):
    assert errors_of(tmp_path, "-n") == [NO_SNAKEFILE]


def test_a_second_run_says_that_there_is_another(tmp_path):
    prepare(tmp_path)
    first = subprocess.Popen(
        [BIN / "mmdet-flow", "run", *words(train="sleep 60")],
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        locks = tmp_path / ".snakemake/locks"
        wait_for(lambda: locks.is_dir() and any(locks.iterdir()))
        assert errors_of(tmp_path, *words()) == [ANOTHER_RUN]
    finally:
        first.terminate()
        first.wait(timeout=60)


@pytest.mark.parametrize(
    "said", ["OSError: no", "Misfit: 5 is no text\n\nin:\n    a: 5"]
)
def test_a_traceback_is_what_was_raised_last(said):
    raised = (
        f'Traceback (most recent call last):\n  File "a", line 1\n    a()\n\n{said}\n'
    )
    before = "Traceback (most recent call last):\n  File z\nKeyError: 1\n\nThen:\n\n"
    assert in_short(raised) == f"{said}; --verbose shows where"
    assert in_short(before + raised) == f"{said}; --verbose shows where"


def test_an_error_that_has_nothing_but_its_place_is_told_as_it_is():
    text = 'WorkflowError in file "a", line 3:\n  File "a", line 3, in b'
    assert in_short(text) == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["-n", "--configfile", "none.yaml"],
            "none.yaml: there is no such config file",
        ),
        (["--configfile=none.yaml", "-n"], "none.yaml: there is no such config file"),
        (
            ["--configfile", "a.yaml", "summary.txt"],
            "summary.txt: is taken for a config",
        ),
        (["--configfile", "a.yaml", "serve"], "serve: is taken for a config"),
        (["--configfiles", "a.yaml", "none.yaml"], "none.yaml: is taken for a config"),
    ],
)
def test_configs_that_are_none(tmp_path, words, said):
    for name in ("a.yaml", "summary.txt"):
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "Snakefile").write_text('rule a:\n    output: "a"\n')
    (line,) = errors_of(tmp_path, *words)
    assert line.startswith(said) and shown(line) == line


@pytest.mark.parametrize(
    "words",
    [
        ["--configfile", "a.yaml", "a.yml", "-n", "x"],
        ["x", "--configfile", "a.yaml"],
        ["--configfile=a.yaml", "x"],
        ["--configfile", "a.yaml", "--", "x"],
        ["--configfile", "/dev/null", "--config", "a=b"],
    ],
)
def test_other_words_are_left_to_snakemake(tmp_path, monkeypatch, words):
    for name in ("a.yaml", "a.yml"):
        (tmp_path / name).write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    require_config_files(words)


def test_a_change_of_data_is_not_called_one_of_params(tmp_path):
    plans = []
    (tmp_path / "Snakefile").write_text(CHANGING)
    for first, second in (("1", "2"), ("1", "3"), ("4", "3"), ("5", "6")):
        values = [f"setting={first}", f"data={f'a{second}' * 32}"]
        options = ["x.txt", "--cores=1", "--config", *values]
        done = called(tmp_path, "mmdet-flow", "run", "-n", *options)
        plans.append(done.stdout + done.stderr)
        called(tmp_path, "snakemake", "--quiet=all", *options).check_returncode()
    data, settings = "annotations or images", "its settings"
    changed = [
        re.search(r"annotations  ([a-z ]*) have changed", one) for one in plans[1:]
    ]
    expected = [data, settings, f"{data} and {settings}"]
    assert [one[1] for one in changed] == expected
    assert not [one for one in plans if "provenance" in one or "reason" in one]
