"""Columns of names in any script."""

import pytest

from mmdet_flow.columns import cells, padded
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
