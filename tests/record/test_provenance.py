import json

from mmdet_flow.handover.provenance import provenance
from mmdet_flow.pages.render import render
from mmdet_flow.results import ResultsFolder
from tests.conftest import command_of
from tests.handover.test_pages import rows_of

record = command_of("step record")


def test_the_page_says_what_the_record_does(run):
    assert "mmdet-flow step record was not run" in provenance(ResultsFolder(run))
    assert record([str(run), "--config", '{"model": {"seed": 3}}']) == 0
    made = json.loads((run / "run.json").read_text())
    page = render("document.html", title="", text=provenance(ResultsFolder(run)))
    rows = rows_of(page)
    assert ["Seeds", "model 3"] in rows
    for name, own in made["outputs"].items():
        assert [name, str(own["bytes"]), own["sha256"]] in rows
    for name, own in made["data"].items():
        hashes = own["annotations_sha256"], own["images_sha256"]
        assert [name, "2", "3", *hashes] in rows
    jobs = [row for row in rows if row[0] in made["steps"]]
    assert [row[0] for row in jobs] == ["predict_images", "summarize"]  # as they ran
    assert f"numpy {made['packages']['main']['numpy']}" in page
