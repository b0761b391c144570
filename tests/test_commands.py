"""What every command owes its user: a place, help, examples, completion."""

import argparse
import ast
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path

import pytest

from mmdet_flow import __version__, cli
from mmdet_flow.inference.options import score_option
from mmdet_flow.main import COMMANDS, PATHS, REFERENCE, main
from tests.conftest import BIN, ROOT, parser_of, run_command
from tests.forks import ForkServer

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORDS = [" ".join(path) for path in PATHS]
SLOW_TO_IMPORT = {
    *("torch", "mmdet", "mmcv", "mmengine", "openvino", "redis", "pandas"),
    *("matplotlib", "scipy", "snakemake", "cv2", "pyarrow", "pycocotools", "shapely"),
    "mlflow",
}


@pytest.mark.parametrize("words", WORDS)
def test_each_option_is_described_and_each_example_is_right(words):
    parser = parser_of(words)
    assert [one.dest for one in parser._actions if not one.help] == []

    text = parser.format_help().split("examples:\n")[1].replace("\\\n", "")
    for line in text.strip().splitlines():
        name, *arguments = shlex.split(line.replace(f"mmdet-flow {words}", "command"))
        assert name == "command"
        parser.parse_args(arguments)  # would exit, and say why


@pytest.mark.parametrize("words", WORDS)
def test_options_have_dashes_but_for_those_of_the_reference_image(words):
    options = parser_of(words)._option_string_actions
    of_old_launchers = {"--local_rank"}
    with_underscores = {one for one in options if "_" in one} - of_old_launchers
    with_dashes = {one for one in options if "-" in one[2:]} - {"--local-rank"}
    assert not (with_dashes if words in ("predict", "serve") else with_underscores)


@pytest.mark.parametrize("words", [one for one in WORDS if one != "run"])
def test_each_option_is_taken_with_either_sign_between_its_words(words):
    """Whoever goes from serve to redis load would write the wrong one."""
    parser = parser_of(words)
    known = parser._option_string_actions
    for option in known:
        for sign in "-_":
            other = "--" + re.sub("[-_]", sign, option[2:])
            if option.startswith("--") and other not in known:
                spelled = [option, f"{option}=--a_b", "--", other]
                assert parser.spelled([other, f"{other}=--a_b", "--", other]) == spelled
    text = parser.format_help().split("examples:\n")[1].replace("\\\n", "")
    for line in text.strip().splitlines():
        _, *own = shlex.split(line.replace(f"mmdet-flow {words}", "command"))
        for sign in "-_":
            other = [re.sub(r"(?<=\w)[-_](?=\w)", sign, one) for one in own]
            pairs = zip(own, other, strict=True)
            mixed = [two if one.startswith("--") else one for one, two in pairs]
            assert parser.parse_args(mixed) == parser.parse_args(own)


def test_an_option_that_is_none_is_refused_as_it_was_written(capsys):
    with pytest.raises(SystemExit):
        parser_of("redis load").parse_args(["--images", "x", "--redis_prot", "1"])
    assert "unrecognized arguments: --redis_prot" in capsys.readouterr().err


def test_what_is_on_the_path():
    assert PROJECT["scripts"].keys() == {"mmdet-flow", *REFERENCE}
    for name in PROJECT["scripts"]:
        run = run_command(name, "--version", fresh=True)
        assert (run.returncode, run.stdout) == (0, f"{name} {__version__}\n")


@pytest.mark.parametrize("name", REFERENCE)
def test_a_command_of_the_reference_image_is_one_of_ours(name):
    its = run_command(name, "--help", COLUMNS="200").stdout
    words = " ".join(("mmdet-flow", *REFERENCE[name]))
    ours = run_command(words, "--help", COLUMNS="200").stdout
    assert its.startswith(f"usage: {name} ")
    options = "\noptions:\n"
    assert its.split(options)[1].split("examples:")[0] in ours


def test_the_overview_fits_a_screen_and_begins_with_what_comes_first(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert len(lines) <= 49 and max(map(len, lines)) <= 80
    assert text.index("start doctor") < text.index("data convert")
    assert [words for words in WORDS if words.split()[-1] not in text] == []


@pytest.mark.parametrize(
    "group", [g for g in COMMANDS if not isinstance(COMMANDS[g], str)]
)
def test_a_group_lists_its_commands(group, capsys):
    assert main([group]) == 0
    listed = capsys.readouterr().out
    assert main([group, "--help"]) == 0
    assert capsys.readouterr().out == listed
    assert re.findall(rf"^  {group} (\w+) ", listed, re.M) == list(COMMANDS[group])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("dta check", "did you mean data?"),
        ("data chek", "did you mean check?"),
        ("convert --format voc", "did you mean data convert?"),
        ("zzz", "see mmdet-flow --help"),
        ("model zzz", "see mmdet-flow model --help"),
        ("--quiet", "see mmdet-flow --help"),
        ("\x1b[2J\udcff\x0b", "see mmdet-flow --help"),
        ("", None),
    ],
)
def test_a_word_that_is_none_is_one_line_with_the_nearest(words, hint, capsys):
    code = main(words.split())
    said = capsys.readouterr()
    if hint is None:
        assert (code, said.err) == (0, "")
    else:
        assert code == 2 and said.out == ""
        assert said.err.endswith(f"; {hint}\n") and said.err.count("\n") == 1


@pytest.fixture(scope="module")
def bare():
    """A process to fork commands from that has imported no command yet."""
    server = ForkServer(["mmdet_flow.main"], os.environ)
    yield server
    server.close()


@pytest.mark.parametrize("words", ["", *COMMANDS, *WORDS])
def test_help_waits_for_no_slow_import(bare, words, tmp_path):
    argv = ["mmdet-flow", *words.split(), "--help"]
    run = bare.run("tests.bare:main", argv, tmp_path, os.environ, seconds=60)
    assert run.code == 0 and run.stdout.startswith("usage: mmdet-flow")
    imported = set(run.stderr.splitlines())
    assert not imported & SLOW_TO_IMPORT
    commands = {name for name in imported if name.startswith("mmdet_flow.commands")}
    own = f"mmdet_flow.commands.{words.replace(' ', '.')}"
    assert {name for name in commands if not own.startswith(name)} == set()


WITHOUT_PACKAGES = """
import sys
from importlib.abc import MetaPathFinder
from mmdet_flow import cli
from mmdet_flow.main import PATHS, main

class Nothing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {*sys.stdlib_module_names, "mmdet_flow"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
for path in PATHS:
    try:
        code = main([*path, "--help"])
    except SystemExit as end:
        code = end.code
    print("ended:", *path, code)
"""


def test_help_where_packages_are_missing_is_help_or_a_line():
    """Of every command, as in an environment that has nothing but this package."""
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGES], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    codes = re.findall(r"^ended: (.*) (\d+)$", run.stdout, re.M)
    assert [words for words, _ in codes] == WORDS and {"0"} <= {c for _, c in codes}
    refused = [words for words, code in codes if code != "0"]
    assert {code for _, code in codes} <= {"0", "2"}
    lines = run.stderr.splitlines()
    assert len(lines) == len(refused) and "predict" in refused
    for line in lines:
        assert line.startswith("error: this takes the Python package ")
        assert line.endswith(
            'which make setup builds: export PATH="$PWD/.venv/bin:$PATH"'
        )


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("data split", "--seed"),
        ("start example", "--seed"),
        ("evaluate metrics", "--bootstrap"),
    ],
)
def test_a_count_below_0_is_refused(words, option, capsys):
    with pytest.raises(SystemExit) as ended:
        parser_of(words).parse_args([option, "-1"])
    assert ended.value.code == 2 and "from 0 up, not '-1'" in capsys.readouterr().err


def completions(line: str) -> set[str]:
    """Return what a shell is offered after ``line``; argcomplete has the protocol."""
    protocol = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line}
    done = subprocess.run(
        ["bash", "-c", f"{BIN / line.split()[0]} 8>&1 9>/dev/null"],
        env=os.environ | protocol | {"COMP_POINT": str(len(line))},
        capture_output=True,
        text=True,
        check=True,
    )
    return {re.sub(r"\W+$", "", one) for one in done.stdout.split("\n")} - {""}


HELP = {"-h", "--help"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mmdet-flow ", {*COMMANDS} | HELP),
        ("mmdet-flow da", {"data"}),
        ("mmdet-flow data", {"data"}),
        ("mmdet-flow data ", {*COMMANDS["data"]} | HELP),
        ("mmdet-flow data co", {"convert"}),
        ("mmdet-flow data convert --for", {"--format"}),
        ("mmdet-flow predict --prediction_f", {"--prediction_format"}),
        ("mmdet-flow predict --prediction_format ", {"opex", "rois", "both"}),
        ("mmdet-flow predict --checkpoint ce", {"cells.pth"}),
        ("mmdet-flow data check --labels ce", {"cells.pth"}),
        ("mmdet_predict --prediction_f", {"--prediction_format"}),
        ("mmdet_predict --checkpoint ce", {"cells.pth"}),
    ],
)
def test_a_shell_completes_commands_options_choices_and_files(
    line, expected, tmp_path, monkeypatch
):
    (tmp_path / "cells.pth").touch()
    monkeypatch.chdir(tmp_path)
    assert completions(line) == expected


def test_a_reader_that_has_seen_enough_is_no_error():
    """As in ``mmdet-flow model config --list | head -1``."""
    process = subprocess.Popen(
        [BIN / "mmdet_config", "--list", "yolox_*"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.wait(timeout=300) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


def test_the_table_and_the_modules_are_the_same():
    folder = ROOT / "scripts/mmdet_flow/commands"
    found = {
        path.relative_to(folder).with_suffix("").parts
        for path in folder.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert found == set(PATHS)


def test_only_commands_see_the_arguments():
    """Other modules take values; those that name options have them from options.py."""
    package = ROOT / "scripts/mmdet_flow"
    takers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(
            isinstance(node, ast.Attribute) and node.attr == "Namespace"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    }
    elsewhere = {one for one in takers if not one.startswith("commands/")}
    assert {one for one in elsewhere if not one.endswith("options.py")} == {"cli.py"}


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "NaN", "1e999"])
def test_what_is_no_number_is_refused_as_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match="give a number, not"):
        cli.finite(text)
    with pytest.raises(
        argparse.ArgumentTypeError, match="give a number from 0 to 1, or auto"
    ):
        score_option(text)


@pytest.mark.parametrize("words", WORDS)
def test_an_option_says_what_it_takes_and_not_how_its_reader_is_called(words):
    parser = parser_of(words)
    readers = [one for one in parser._actions if one.type not in (None, Path)]
    for action, text in product(readers, ("", "-", "no", "1e", "0x1f", "1,5", "nan")):
        with pytest.raises(argparse.ArgumentError) as refused:
            parser._get_value(action, text)
        assert re.fullmatch(f"give an? .+, not {text!r}", refused.value.message)


def test_every_option_that_is_a_number_refuses_nan():
    for words in WORDS:
        for action in parser_of(words)._actions:
            assert action.type is not float, (words, action.option_strings)


OTHERWISE = {
    "bbox_as_fallback",  # negative is off
    *("tile_overlap", "tile_scale", "tile_min_visible", "tile_empty"),
    *("train_fraction", "recall", "precision"),
}
"""The others are in the config, too, and refused by what takes them."""


@pytest.mark.parametrize("words", WORDS)
def test_an_option_refuses_what_its_unit_cannot_be(words):
    """Scores and fractions are from 0 to 1, and no time, rate or factor is negative."""
    parser, at_most_1 = parser_of(words), {"FRACTION", "score"}
    for action in parser._actions:
        unit = "score" if "--score" in action.option_strings else action.metavar
        units = at_most_1 | {"SECONDS", "MS", "RATE", "H", "M", "FACTOR"}
        if unit not in units or action.dest in OTHERWISE:
            continue
        for text in ("-3", "30")[: 1 + (unit in at_most_1)]:
            with pytest.raises(argparse.ArgumentError, match="give a number"):
                parser._get_value(action, text)


FOUND = "--detections found.json --annotations coco.json --images . --output out"
MODEL = "--checkpoint model.pth --annotations coco.json --images ."
FOLDERS = "--checkpoint model.pth --prediction_in . --prediction_out out"


@pytest.mark.parametrize(
    ("line", "option"),
    [
        (f"evaluate metrics {FOUND} --config a.py", "--config"),
        (f"evaluate metrics {FOUND} --tile-size 640", "--tile-size"),
        (f"evaluate thresholds {FOUND} --tile-overlap 0.5", "--tile-overlap"),
        (f"evaluate gallery {FOUND} --tile-full-image", "--tile-full-image"),
        (
            f"evaluate precision {MODEL} --precision bf16 --calibration coco.json",
            "--calibration",
        ),
        ("model config --list x --save-path a.py", "--save-path"),
        ("model config a.py --list", "CONFIG"),
        ("model config a.py --diff b.py --cfg-options a=1", "--cfg-options"),
        ("data split coco.json --output out --fold 1", "--fold"),
        ("data split coco.json --output out --group-column a", "--group-column"),
        (
            "data difference coco.json b --before-edges exclusive --output out",
            "--before-edges",
        ),
        (f"predict {FOLDERS} --continuous --image_list a.txt", "--image_list"),
        (f"predict {FOLDERS} --continuous --shard 0/2", "--shard"),
        ("serve --checkpoint model.pth --max_backlog 9", "--max_backlog"),
        ("serve --checkpoint model.pth --image_root .", "--image_root"),
        (
            "serve --checkpoint model.pth --redis_front streams --when_full block",
            "--when_full",
        ),
        ("label export . --format yolo --address a --output out", "--address"),
        ("label export . --format yolo --edges exclusive --output out", "--edges"),
    ],
)
def test_an_option_without_effect_is_refused(
    line, option, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    content = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    (tmp_path / "images.csv").write_text("file,sha256\n")
    assert main(shlex.split(line)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {option}: ") and said.endswith("; leave it out\n")
    assert not (tmp_path / "out").exists()


def _with_error_of_its_own() -> None:
    try:
        raise KeyboardInterrupt
    except BaseException:
        raise SyntaxError("could not format\nthis") from None


def _with_interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("end", [_with_interrupt, _with_error_of_its_own])
def test_ctrl_c_is_said_in_a_line_whatever_a_library_makes_of_it(end, capsys):
    options = argparse.Namespace(verbose=False, quiet=False, debug=False)
    assert cli.run(lambda _: end(), options) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_bug_is_a_line_too(capsys):
    options = argparse.Namespace(verbose=False, quiet=False, debug=False)
    several = f"a\nb {'c' * 9999}"
    with_bug = cli.run(lambda _: [].index(several), options)
    assert with_bug == cli.BUG_EXIT_CODE
    line = capsys.readouterr().err
    assert line.startswith("error: ValueError: ") and line.count("\n") == 1
    assert len(line) < 1000
