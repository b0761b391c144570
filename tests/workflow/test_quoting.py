"""No text of the config becomes an option, several words, or a command of its own."""

import copy
import re
import shlex
import subprocess

import pytest

from mmdet_flow.main import resolve
from mmdet_flow.model.config import parse_cfg_options
from tests.conftest import parser_of, run_command
from tests.workflow.test_workflow import SMALL, snakemake, write_config

ODD = [
    "--output=x",
    "-x",
    "two  words",
    'it\'s "quoted"',
    "$(touch marker) `touch marker` ; touch marker & | > marker",
    "{wildcards.experiment} {nothing} {{}}",
    "line\nbreak",
    "* ~ $HOME \\",
    "größe",
]
BASE = "rtmdet-ins_tiny_8xb32-300e_coco"


def experiment_with(text: str) -> dict:
    """Return an experiment that has the text wherever a text may stand."""
    experiment = copy.deepcopy(SMALL["experiments"]["example"])
    experiment["data"] |= {"glob": text, "labels": text, "classes": [text, "other"]}
    experiment["splits"] = {"group_pattern": text, "group_file": text}
    experiment["splits"]["group_column"] = text
    experiment["model"] |= {"load_from": text, "cfg_options": [f"{text}=1"]}
    experiment["predict"] = {"options": [text]}
    return experiment


def lines_of(run) -> list[str]:
    """Return the lines that a dry run would give to the shell."""
    assert run.returncode == 0, run.stdout + run.stderr
    pattern = r"^Shell command: (.*?)(?=\n\n\[|\nJob stats:|\nReasons:|\Z)"
    return re.findall(pattern, run.stdout, re.M | re.S)


def commands_of(run) -> dict[str, list[list[str]]]:
    """Return the words of the commands that a dry run shows, by their names."""
    commands = {}
    for line in lines_of(run):
        words = shlex.split(line.replace("exec ", ""))
        name = " ".join(words[:1] + list(resolve(words[1:])))
        commands.setdefault(name, []).append(words)
    return commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a config that has an experiment for each odd text."""
    folder = tmp_path_factory.mktemp("odd")
    config = {
        "experiments": {f"e{n}": experiment_with(text) for n, text in enumerate(ODD)},
        "track": {"uri": ODD[4], "experiment": ODD[4]},
        "serve": {"options": ODD},
    }
    write_config(folder, config)
    return folder


@pytest.fixture(scope="module")
def dry_run(folder):
    return snakemake(folder, "-n", "-p")


@pytest.fixture(scope="module")
def commands(dry_run):
    return commands_of(dry_run)


@pytest.mark.parametrize("text", ODD)
def test_a_text_stays_a_word(folder, commands, text):
    for command, expected in {
        "mmdet-flow data convert": [
            f"--glob={text}",
            f"--labels={text}",
            f"--classes={text}",
        ],
        "mmdet-flow data split": [
            *(f"--group-pattern={text}", f"--group-file={text}"),
            f"--group-column={text}",
        ],
        "mmdet-flow model patch": [f"--cfg-options={text}=1"],
        "mmdet-flow model train": [f"--load-from={text}"],
        "mmdet-flow predict": [text],
    }.items():
        assert any(set(expected) <= set(words) for words in commands[command]), command
    assert {f"--experiment={ODD[4]}", f"--uri={ODD[4]}"} <= set(
        commands["mmdet-flow track"][0]
    )
    assert not (folder / "marker").exists()


def test_options_of_the_service_stay_words(folder):
    (words,) = commands_of(snakemake(folder, "-n", "-p", "serve"))["mmdet-flow serve"]
    assert [word for word in ODD if word not in words] == []


@pytest.mark.parametrize("text", ODD)
def test_the_commands_read_a_word_as_it_is_meant(text):
    data = ["--format=yolo", "--annotations=a", "--images=b"]
    words = [f"--classes={text}", "--classes=other", f"--glob={text}"]
    for command, more in (("data convert", ["--output=c"]), ("data check", [])):
        args = parser_of(command).parse_args([*data, *words, *more])
        assert args.classes == [text, "other"] and args.glob == text
    patched = ["c.py", "--output=o", "--train=t", "--images=i"]
    patched += ["--test=e", "--epochs=1", "--batch-size=1", "--work-dir=w"]
    given = [f"--cfg-options={text}=1", "--cfg-options=a.b=2"]
    args = parser_of("model patch").parse_args([*patched, *given])
    assert args.cfg_options == [f"{text}=1", "a.b=2"]
    key, _, value = f"{text}=1".partition("=")
    parsed = parse_cfg_options(args.cfg_options)
    assert set(parsed) == {key, "a.b"} and str(parsed[key]) == value


def test_several_values_behind_one_option_are_read_as_before():
    args = parser_of("data convert").parse_args(
        [
            *("--format=voc", "--annotations=a", "--images=b", "--output=c"),
            *("--classes", "cat", "dog", "--policy", "tiny-box=drop", "empty-box=drop"),
        ]
    )
    assert args.classes == ["cat", "dog"]
    assert args.policy == ["tiny-box=drop", "empty-box=drop"]
    args = parser_of("model config").parse_args(
        ["c.py", "--cfg-options", "a=1", "b=[1,2]"]
    )
    assert parse_cfg_options(args.cfg_options) == {"a": 1, "b": [1, 2]}


def test_a_line_with_odd_words_runs_nothing_else(folder, dry_run):
    """The shell gets each line as it is, with `true` before the name of a command."""
    lines = [
        line
        for line in lines_of(dry_run)
        if re.match("mmdet-flow (?!step shard)", line)
    ]
    for number in range(len(ODD)):
        (folder / f"results/e{number}/logs").mkdir(parents=True)
    for line in lines:
        line = re.sub("&& mv .*", "", f"true {line}").replace(">(tee", ">(cat; #")
        subprocess.run(["bash", "-c", line], cwd=folder)
    assert len(lines) > 10 * len(ODD) and not (folder / "marker").exists()


def test_a_base_that_looks_like_an_option_is_a_config_that_is_not_there(tmp_path):
    run = run_command(
        "mmdet-flow model config", f"--save-path={tmp_path / 'o'}", "--", "--list"
    )
    assert run.returncode == 4 and "--list: neither a config file" in run.stderr
