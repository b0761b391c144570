"""Config files that no reader should take: one line each, before Snakemake reads."""

import json
import os
import re

import pytest
import yaml

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow.config_files import require_readable
from tests.workflow.test_workflow import SMALL, snakemake, write_config

GOOD = """\
experiments:
  a:
    data: &data {format: voc, annotations: x, images: "2024-01-01"}
    model: {seed: 0x10, learning_rate: 1.0e-3, pretrained: no, base: ~}
  b:
    data: *data
    model:
      <<: {epochs: 3}
"""


def refused(tmp_path, content: str | bytes, **bounds) -> str:
    """Return the line with which a config file is refused."""
    path = tmp_path / "config.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError) as caught:
        require_readable([path], **bounds)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"{path}, ").removeprefix(f"{path}: ")


def test_a_config_is_taken_with_what_yaml_is_used_for(tmp_path):
    path = tmp_path / "config.yaml"
    for text in (
        GOOD,
        json.dumps(SMALL),
        json.dumps(SMALL, indent="\t"),
        f"\ufeff{GOOD}",
    ):
        path.write_text(text, encoding="utf-8")
        require_readable([path, tmp_path / "is not there"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # Nothing, or nothing with keys.
        ("", "is empty; it needs experiments: or campaigns:"),
        ("# a comment\n", "is empty"),
        ("\n- a\n", "line 2: there are no keys; begin with experiments:"),
        ("experiments", "line 1: there are no keys"),
        # Not text.
        (b"a: 1\nb: \xff\n", "line 2: is not text in UTF-8; save it as such"),
        (b"\x89PNG\r\n\x1a\n\0\0", "line 1: is not text in UTF-8"),
        ("a: 1\nb: \0\n", "line 2: there is a control character; take it away"),
        # Not YAML.
        ("a:\n\tb: 1\n", "line 2: there is a tab before its first word; indent with"),
        ("a: 1\n b: 2\n", "line 2: mapping values are not allowed here; correct it"),
        ("a: [1, 2\nb: 3\n", "line 2: expected ',' or ']', but got ':'; correct it"),
        ("a: 'b\n", "line 2: found unexpected end of stream; correct it, or write"),
        ("a: 1\n---\nb: 1\n", "line 2: but found another document"),
        ("a: *b\n", "line 1: found undefined alias"),
        # Two meanings.
        (
            "a:\n  b: 1\n  c: 2\n  b: 3\n",
            "line 4: the key b is in line 2 too; keep one",
        ),
        ('a: 1\n"a": 2\n', "line 2: the key a is in line 1 too"),
        ("a: {b: 1, b: 2}\n", "line 1: the key b is in line 1 too"),
        ("on: 1\n", "line 1: the key on is no text; write it in quotes"),
        ("a:\n  1: 2\n", "line 2: the key 1 is no text"),
        ("? [a, b]\n: 1\n", "line 1: a list or a section stands where a key belongs"),
        ("a: 2024-01-01\n", "line 1: 2024-01-01 is read as a date; write it in quotes"),
        # Tags and values that do not fit them.
        ("a: !mine b\n", "line 1: the tag !mine has no meaning here; take it away"),
        ("a: !!set {b, c}\n", "line 1: the tag !!set has no meaning here"),
        ("a: !!python/tuple [1]\n", "line 1: the tag !!python/tuple has no meaning"),
        ("a: !!str [b]\n", "line 1: the tag !!str has no meaning here"),
        ("a: 1\nb: !!int c\n", "line 2: 'c' is no int; correct it"),
        ("a: !!int ''\n", "line 1: '' is no int"),
        ("a: !!bool maybe\n", "line 1: 'maybe' is no bool"),
        ("<<: 3\n", "line 1: expected a mapping or list of mappings for merging"),
        # Numbers that nothing can be computed with.
        ("a: .nan\n", "line 1: .nan is no number to compute with; correct it"),
        ("a: -.inf\n", "line 1: -.inf is no number"),
        ("a: 0xffffffffffffffffff\n", "line 1: 0xffffffffffffffffff is no number"),
        (f"a: {'9' * 101}\n", "line 1: a number of 101 characters; correct it"),
        # Bounds.
        (f"a: {'[' * 60}{']' * 60}", "line 1: it is nested deeper than 50 levels"),
        (f'{{"a":\n{"[" * 60}{"]" * 60}}}', "line 2: it is nested deeper than 50"),
        ("a: &a [1, *a]\n", "line 1: *a stands inside of itself; write it out"),
    ],
)
def test_what_is_no_config_is_one_line_with_its_place(tmp_path, content, expected):
    assert refused(tmp_path, content).startswith(expected)


@pytest.mark.parametrize("text", [f"a: {'[' * 3000}", '{"a": ' * 3000])
def test_a_nesting_without_an_end_is_refused_where_it_gets_too_deep(tmp_path, text):
    assert "nested deeper" in refused(tmp_path, text)


def test_what_aliases_stand_for_is_counted(tmp_path):
    """Three values in a list, twice in another, and what holds them: 3 + 7 + 3."""
    text = "a: &a [1, 2]\nb: &b [*a, *a]\n"
    path = tmp_path / "config.yaml"
    path.write_text(text)
    require_readable([path], most=13)
    assert "line 1: there are over 12 values" in refused(tmp_path, text, most=12)
    assert "line 2: there are over 6 values" in refused(tmp_path, text, most=6)


def test_a_file_beyond_any_config_is_not_read(tmp_path):
    assert (
        refused(tmp_path, "a: 1\n" * 2**20) == "is larger than 4 MiB; is it a config?"
    )


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to("nowhere")
    for name in (".", "pipe", "gone"):
        with pytest.raises(UsageError, match="is not a file; write the config there"):
            require_readable([tmp_path / name])


def test_the_line_is_that_of_the_first_file_that_is_wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"one": GOOD, "two": "a: 1\na: 2\n", "three": ""}.items():
        (tmp_path / name).write_text(text)
    files = [tmp_path / name for name in ("one", "two", "three")]
    with pytest.raises(UsageError, match=r"^two, line 2: the key a is in line 1"):
        require_readable(files)


@pytest.mark.parametrize("text", [GOOD, json.dumps(SMALL)])
def test_what_passes_is_what_snakemake_reads(tmp_path, text):
    from snakemake.common.configfile import load_configfile

    path = tmp_path / "config.yaml"
    path.write_text(text)
    require_readable([path])
    assert load_configfile(path) == yaml.safe_load(text)


def the_line(run) -> str:
    """Return what Snakemake says of a config that is refused."""
    said = run.stdout + run.stderr
    assert run.returncode == 1, said
    assert "Traceback" not in said
    (line,) = re.findall(r"^WorkflowError in file .*:\n(.*)\n  File ", said, re.M)
    return line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("experiments:\n\ta: 1\n", "config.yaml, line 2: there is a tab before"),
        (f"experiments: {'[' * 900}", "config.yaml, line 1: it is nested deeper"),
        ("experiments:\n  a: !!int x\n", "config.yaml, line 2: 'x' is no int"),
        (
            "experiments: {a: {data: {format: voc, annotations: a, images: a, "
            '"po\\nlicy": {}}}}\n',
            r"config, at experiments.a.data: unknown key po\nlicy; did you mean poli",
        ),
    ],
)
def test_a_broken_config_stops_snakemake_with_the_line(tmp_path, text, expected):
    (tmp_path / "config.yaml").write_text(text)
    assert the_line(snakemake(tmp_path, "-n")).startswith(expected)


def test_files_of_the_command_line_are_read_as_strictly(tmp_path):
    write_config(tmp_path, SMALL)
    (tmp_path / "more.yaml").write_text("track: {enabled: no}\ntrack: {}\n")
    run = snakemake(tmp_path, "-n", "--configfile", tmp_path / "more.yaml")
    assert the_line(run).startswith("more.yaml, line 2: the key track is in line 1 too")
