"""Columns of names in any script."""

import pytest

from mmdet_flow.columns import cells, padded, wrapped
from tests.wide_names import NAMES, columns_of


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_padded_by_its_columns(name):
    assert cells(name) == columns_of(name)
    assert padded(name, 12).startswith(name)
    assert columns_of(padded(name, 12)) == 12
    assert padded(name, 2) == name


def test_the_environment_does_not_change_columns(monkeypatch):
    monkeypatch.setenv("UNICODE_VERSION", "4.1.0")
    assert cells("\U0001f9a0") == 2


@pytest.mark.parametrize("width", [20, 40, 79])
@pytest.mark.parametrize(
    "line",
    [
        "  predictions  1 failed, 13 ok, 3 empty; why: results/a/images.csv",
        "note       4 files are left aside: a shape encloses nothing: a, b, c, d, e",
        "    all                 27 of 33  82 %, 69 to 94   9 of 36  75 %, 67 to 82",
        f"  {' '.join(NAMES)} {' '.join(NAMES)}",
        "oneword",
        "",
        "    ",
    ],
)
def test_a_line_is_broken_between_words_and_goes_on_below_its_beginning(line, width):
    lines = wrapped(line, width)
    assert " ".join(lines).split() == line.split()
    words = max(map(columns_of, line.split()), default=0)
    assert all(
        columns_of(one) <= width or columns_of(one.split()[-1]) == words
        for one in lines
    )
    indents = {len(one) - len(one.lstrip()) for one in lines[1:]}
    assert len(indents) <= 1
    assert min(indents, default=9) >= len(line) - len(line.lstrip())


def test_what_fits_stays_as_it_is():
    line = "    all   27 of 33   82 %"
    assert wrapped(line, len(line)) == [line]
    assert wrapped(f"{line} more", len(line))[1] == "          more"
