import json
import re

import pytest

from mmdet_flow.evaluation.metrics import METRICS
from mmdet_flow.files import sha256_of
from mmdet_flow.handover.pages import PAGES
from tests.conftest import command_of

main = command_of("step pages")

BENCHMARK = "s\th:m:s\tmax_rss\n12.50\t0:00:12\t640.10\n"


@pytest.fixture
def pages(run):
    """The texts of the pages, by name."""
    (run / "benchmarks").mkdir()
    (run / "benchmarks" / "predict_images-0.tsv").write_text(BENCHMARK)
    (run / "training" / "estimate.json").write_text(
        '{"iterations": 10, "seconds_per_iteration": 0.5}'
    )
    assert main([str(run)]) == 0
    made = {path.stem: path.read_text() for path in (run / "pages").iterdir()}
    assert made.keys() == PAGES.keys()
    return made


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of all rows, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    cells = (re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows)
    return [[re.sub("<.*?>", "", text) for text in row] for row in cells]


def test_the_changes_are_those_of_the_config(pages):
    rows = rows_of(pages["changes"])
    assert ["model.bbox_head.num_classes", "80", "3"] in rows
    assert ["train_cfg.max_epochs", "300", "2"] in rows
    assert ["test_evaluator.format_only", "False", "removed"] in rows
    assert ["default_hooks.checkpoint.by_epoch", "-", "True"] in rows
    assert "rtmdet-ins_tiny_8xb32-300e_coco" in pages["changes"]


def test_the_metrics_are_all_there(pages, run):
    measured = json.loads((run / "evaluation/metrics.json").read_text())
    rows = rows_of(pages["metrics"])
    for name in METRICS:
        assert any(name in row for row in rows), name
    value = measured["metrics"]["bbox"]["AR_100"]
    header = next(row for row in rows if "AR_100" in row)
    every = rows[rows.index(header) + 1]
    assert every[0] == "all"
    assert every[header.index("AR_100")] == f"{value:.3f}"


def test_the_percentiles_of_sizes_are_in_their_order(pages, run):
    header = next(row for row in rows_of(pages["data_set"]) if "50%" in row)
    assert header[1:] == ["0%", "5%", "25%", "50%", "75%", "95%", "100%"]
    card = json.loads((run / "card/card.json").read_text())
    train = next(row for row in rows_of(pages["data_set"]) if row[0] == "train")
    assert train[1:3] == [
        str(card["splits"]["train"][k]) for k in ("images", "objects")
    ]


def test_the_speed_is_what_was_recorded(pages):
    assert ["predict_images-0", "12.50", "640.10"] in rows_of(pages["speed"])
    assert "0.500 s for a batch of 4, 8.00 images/s" in pages["speed"]


def test_pages_need_nothing_else_and_fit_into_a_report(pages, run):
    for name, page in pages.items():
        assert "default-src &#39;none&#39;" in page and page.count("<script") == 1, name
        assert not re.search(r"(src|href)=|url\(", page), name
        assert len(page) < 1_000_000
    before = {path: sha256_of(path) for path in (run / "pages").iterdir()}
    assert main([str(run)]) == 0
    assert before == {path: sha256_of(path) for path in (run / "pages").iterdir()}
