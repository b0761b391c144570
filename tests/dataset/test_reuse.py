import os

import pytest

from mmdet_flow.dataset.reuse import FILES
from tests.conftest import command_of

main = command_of("step reuse")


def reused(source, output) -> int:
    return main([str(source), "--output", str(output)])


def test_the_data_set_is_the_same_and_takes_no_space_twice(dataset, tmp_path):
    assert reused(dataset.folder, tmp_path / "dataset") == 0
    for name in FILES:
        copy = tmp_path / "dataset" / name
        assert copy.read_bytes() == (dataset.folder / name).read_bytes()
        # Snakemake sets the time of what a job wrote: that of the first must stay.
        assert not copy.samefile(dataset.folder / name)
    names = sorted(os.listdir(dataset.images))
    assert sorted(os.listdir(tmp_path / "dataset/images")) == names
    for name in names:
        assert (tmp_path / "dataset/images" / name).samefile(dataset.images / name)


def test_marks_of_snakemake_are_not_taken_over(dataset, tmp_path):
    mark = dataset.images / ".snakemake_timestamp"
    mark.touch()
    try:
        assert reused(dataset.folder, tmp_path) == 0
    finally:
        mark.unlink()
    assert not (tmp_path / "images" / mark.name).exists()


@pytest.mark.parametrize("missing", ["annotations.json", "report.csv"])
def test_an_unfinished_data_set_is_refused(dataset, tmp_path, missing, capsys):
    source = tmp_path / "source"
    assert reused(dataset.folder, source) == 0
    (source / missing).unlink()
    assert reused(source, tmp_path / "copy") == 3
    assert missing in capsys.readouterr().err
    assert not (tmp_path / "copy").exists()
