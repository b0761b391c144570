"""Two commands that write into one folder would leave a mixture of both."""

import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.reuse import reuse
from mmdet_flow.dataset.split import split
from mmdet_flow.errors import DataError
from mmdet_flow.files import only_writer
from mmdet_flow.inference.shard import shard

WRITERS = {
    "convert": lambda data, out: convert("opex", Source(data.source, data.source), out),
    "reuse": lambda data, out: reuse(data.folder, out),
    "split": lambda data, out: split(
        data.coco, out, {"train": "0.5", "val": "0.25", "test": "0.25"}, 0
    ),
    "shard": lambda data, out: shard(data.images, None, 5, out),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_second_writer_of_a_folder_is_refused(name, dataset, tmp_path):
    with only_writer(tmp_path / "out"):
        with pytest.raises(DataError, match="another process writes here"):
            WRITERS[name](dataset, tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []
    WRITERS[name](dataset, tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) > 1
