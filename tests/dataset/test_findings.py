import csv
import logging
import re

import pytest
import yaml

from mmdet_flow.dataset.findings import ACTIONS, CHECKS, Finding, Ledger, Policy
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.report import log_findings, write_report
from tests.conftest import ROOT


def data_schema() -> dict:
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    return schema["$defs"]["sections"]["properties"]["data"]["properties"]


def test_the_schema_knows_every_check_action_and_format():
    policy = data_schema()["policy"]
    # The size in the network is not known to the conversion.
    checks = [check for check in CHECKS if check != "too-small-to-learn"]
    assert policy["propertyNames"]["enum"] == checks
    assert policy["additionalProperties"]["enum"] == list(ACTIONS)
    assert data_schema()["format"]["enum"] == list(FORMATS)


def test_the_docs_describe_every_check_and_format():
    text = (ROOT / "docs/data.md").read_text()
    for name, check in CHECKS.items():
        row = f"| `{name}` | {check.default} | {', '.join(check.others)} |"
        assert row in text
        assert set(check.actions) <= set(ACTIONS)
    assert all(f"| `{name}` |" in text for name in FORMATS)


NAMES = {
    "adams": "ADAMS",
    "coco": "COCO",
    "createml": "CreateML",
    "cvat": "CVAT",
    "datumaro": "Datumaro",
    "label-studio": "Label Studio",
    "labelme": "labelme",
    "labelme-xml": "LabelMe XML",
    "lightly": "Lightly",
    "open-images": "Open Images",
    "opex": "OPEX",
    "roi": "ROI CSV",
    "vgg": "VIA",
    "via-csv": "VIA CSV",
    "voc": "VOC",
    "yolo": "YOLO",
}
"""What people call the formats."""

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def test_each_format_is_named_where_people_look_for_it():
    assert NAMES.keys() == FORMATS.keys()
    config = (ROOT / "config.yaml").read_text()
    assert [name for name in FORMATS if not re.search(rf"\b{name}\b", config)] == []
    start = (ROOT / "docs/start.md").read_text()
    assert [name for name in NAMES.values() if name not in start] == []
    drawn = (ROOT / "docs/overview.svg").read_text()
    named, number = re.search(r">(COCO, YOLO[^<]*) and (\w+) more<", drawn).groups()
    assert len(named.split(", ")) + NUMBERS.index(number) == len(FORMATS)


def ledger_of(*counts: tuple[str, int]) -> Ledger:
    ledger = Ledger(Policy({"crosses-edge": "repair"}))
    for check, count in counts:
        for number in range(count):
            ledger.note(check, f"{number}.xml", "object 1", "it is so")
    return ledger


def test_equal_findings_are_logged_together_with_examples(caplog):
    caplog.set_level(logging.WARNING)
    ledger = ledger_of(("crosses-edge", 2), ("inverted-box", 30), ("empty-box", 1))
    log_findings(ledger.findings)
    lines = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert len(lines) == 5 + 1 + 3
    level, first = lines[0]
    assert level == "ERROR" and first.startswith("30 findings: the box has no inside; ")
    assert first.endswith("[inverted-box: error; policy inverted-box: repair or drop]")
    assert [text for _, text in lines[1:5]] == [
        *(f"  {number}.xml, object 1: it is so" for number in range(3)),
        "  and 27 more, which the report has",
    ]
    level, alone = lines[5]
    assert level == "ERROR" and alone.startswith("0.xml, object 1: it is so: the box ")
    assert lines[6][0] == "WARNING" and "2 findings: " in lines[6][1]


def test_the_table_has_each_finding_and_the_policy_that_mends_it(tmp_path):
    ledger = ledger_of(("inverted-box", 30), ("empty-box", 1))
    rows = [one.as_row() for one in ledger.findings]
    write_report({"findings": rows}, tmp_path / "report.json")
    with open(tmp_path / "report.csv", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == 31
    assert all(row["file"] and row["place"] and row["consequence"] for row in table)
    assert {row["policy"] for row in table} == {
        *("inverted-box: repair or drop", "empty-box: drop")
    }


def test_what_cannot_be_repaired_is_not_said_to_be():
    possible = Finding("crosses-edge", "ignore", "a", "", "x", repairable=False)
    assert possible.policy == "crosses-edge: drop"


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_policy_did_is_told_as_done_and_not_as_a_task(name):
    check = CHECKS[name]
    assert bool(check.repaired) == ("repair" in check.actions)
    for action in check.actions:
        finding = Finding(name, action, "a.xml", "object 1", "it is so")
        row = finding.as_row()
        if action in ("repair", "drop") and action != check.default:
            assert row["fix"] == "" and row["consequence"] in finding.advice
            assert check.fix not in finding.advice
            done = check.repaired if action == "repair" else "left out: "
            assert row["consequence"].startswith(done)
        else:
            assert row["fix"] == check.fix and check.fix in finding.advice
            assert row["consequence"] == check.consequence
    assert "; [" not in finding.advice


def test_files_of_one_name_are_told_apart(tmp_path):
    ledger = Ledger(Policy(), tmp_path)
    paths = tmp_path / "train/1.txt", tmp_path / "valid/1.txt", tmp_path / "1.txt"
    assert [ledger.name_of(path) for path in paths] == [
        *("train/1.txt", "valid/1.txt", "1.txt")
    ]
    alone = Ledger(Policy(), tmp_path / "1.json")
    assert alone.name_of(tmp_path / "1.json") == "1.json"
