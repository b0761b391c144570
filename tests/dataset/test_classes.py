import pytest

from mmdet_flow.dataset.classes import (
    check_environment,
    classes_sha256,
    parse_classes,
    require_same_classes,
)
from mmdet_flow.errors import DataError, UsageError


@pytest.mark.parametrize("text", ["'a','b c'", "a,b c", " a , b c ", '"a","b c"'])
def test_all_documented_forms(text):
    assert parse_classes(text) == ["a", "b c"]


def test_a_file_that_holds_them(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("a,b c\n")
    assert parse_classes(str(path)) == ["a", "b c"]


@pytest.mark.parametrize("text", ["", "a,,b", "a,a"])
def test_what_is_no_class_list(text):
    with pytest.raises(UsageError):
        parse_classes(text)


def test_a_disagreeing_environment_is_refused_with_both_lists(monkeypatch):
    monkeypatch.setenv("MMDET_CLASSES", "b,a")
    with pytest.raises(DataError, match=r"b, a .* a, b"):
        check_environment(["a", "b"])
    monkeypatch.setenv("MMDET_CLASSES", "'a','b'")
    check_environment(["a", "b"])


def test_the_hash_depends_on_the_order():
    assert classes_sha256(["a", "b"]) != classes_sha256(["b", "a"])


def test_names_of_any_length_and_number_are_one_short_line():
    many = [f"class\n{number}" for number in range(10_000)]
    for found in (many, ["a" * 1_000_000], ["a\u202eb"]):
        with pytest.raises(DataError) as refused:
            require_same_classes(["a"], found, "x.pth", "x.py", "fix it")
        line = str(refused.value)
        assert line.isprintable() and len(line) < 3000
