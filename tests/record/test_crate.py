"""The crate, also as the validator of RO-Crate sees it (make test-record)."""

import json
import subprocess
from pathlib import Path

import pytest

from mmdet_flow import layout
from mmdet_flow.record.crate_actions import tool_of
from tests.conftest import BIN, ROOT, command_of
from tests.record.conftest import CONFIG

record = command_of("step record")

VALIDATOR = BIN.parent / "validator" / "bin"
PEOPLE = ("author", "publisher", "agent")
"""Whom the validator misses: a record names no people."""


@pytest.fixture
def crate(run) -> list[dict]:
    """The entities of the crate of a run."""
    assert record([str(run), "--config", json.dumps(CONFIG)]) == 0
    return json.loads((run / layout.CRATE).read_text())["@graph"]


def references(node):
    if isinstance(node, dict):
        if node.keys() == {"@id"}:
            yield node["@id"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_all_that_is_named_is_there(crate, run):
    names = [entity["@id"] for entity in crate]
    assert len(set(names)) == len(names)
    outside = {name for one in crate for name in references(one)} - set(names)
    assert all(name.startswith("https://") for name in outside)
    files = [one["@id"] for one in crate if "File" in one["@type"]]
    assert "source/rules/record.smk" in files and "run.json" in files
    for name in files:
        assert (run / name).is_file()
    source = (run / "source" / "Snakefile").read_text()
    assert source == (ROOT / "Snakefile").read_text()


def test_a_job_has_its_files_and_the_run_its_parameters(crate):
    by_name = {entity["@id"]: entity for entity in crate}
    job = by_name["#job-summarize"]
    assert job["object"] == {"@id": "predictions/images.csv"}
    assert job["result"] == {"@id": "summary.txt"}
    assert job["startTime"] <= job["endTime"]
    assert by_name["#value-model.seed"]["value"] == "7"
    assert {"@id": "#value-model.seed"} in by_name["#run"]["object"]
    assert by_name["#run"]["endTime"] >= job["endTime"]


FILL_CACHE = """
import io, sys
from importlib.util import find_spec
from pathlib import Path
import requests, urllib3
from requests_cache import CachedSession

class Shipped(requests.adapters.BaseAdapter):
    def send(self, request, **options):
        folder = find_spec("rocrate").submodule_search_locations[0]
        text = Path(folder, "data", "ro-crate.jsonld").read_bytes()
        raw = urllib3.HTTPResponse(io.BytesIO(text), status=200, preload_content=False,
            headers={"Content-Type": "application/ld+json"})
        return requests.adapters.HTTPAdapter().build_response(request, raw)

    def close(self):
        pass

session = CachedSession(cache_name=sys.argv[1], backend="sqlite", expire_after=-1)
session.mount("https://", Shipped())
session.get("https://w3id.org/ro/crate/1.1/context").raise_for_status()
"""
"""Puts the context of RO-Crate 1.1 where the validator looks, without a network."""


@pytest.fixture(scope="module")
def validate(tmp_path_factory):
    """Return a function that gives the validator's report about a folder."""
    if not VALIDATOR.is_dir():
        pytest.fail("the validator is not installed; run make test-record")
    folder = tmp_path_factory.mktemp("validator")
    cache = folder / "cache"
    subprocess.run([VALIDATOR / "python", "-c", FILL_CACHE, cache], check=True)

    def report(crate: Path) -> dict:
        output = folder / "report.json"
        subprocess.run(
            [
                *(VALIDATOR / "rocrate-validator", "--no-interactive", "validate"),
                *("--offline", "--cache-path", cache, "--output-format", "json"),
                *("--output-file", output, "--requirement-severity", "recommended"),
                *("--no-paging", crate),
            ],
            capture_output=True,
            timeout=300,
        )
        return json.loads(output.read_text())

    return report


@pytest.mark.crate
def test_the_validator_misses_people_and_addresses_alone(crate, run, validate):
    report = validate(run)
    assert report["meta"] or report["statistics"]
    issues = report["issues"]
    assert [one for one in issues if one["severity"] == "REQUIRED"] == []
    allowed = (*PEOPLE, "SHOULD have a url", "absolute URI", "README.md")
    others = [
        one["message"]
        for one in issues
        if not any(word in one["message"] for word in allowed)
    ]
    assert others == []


@pytest.mark.crate
@pytest.mark.parametrize(
    ("name", "key"),
    [("./", "mainEntity"), ("#run", "instrument"), ("#control-summarize", "object")],
)
def test_the_validator_finds_what_is_taken_away(crate, run, validate, name, key):
    next(entity for entity in crate if entity["@id"] == name).pop(key)
    content = json.loads((run / layout.CRATE).read_text()) | {"@graph": crate}
    (run / layout.CRATE).write_text(json.dumps(content))
    severities = {one["severity"] for one in validate(run)["issues"]}
    assert "REQUIRED" in severities


@pytest.mark.crate
def test_the_validator_finds_a_file_that_is_not_there(crate, run, validate):
    (run / "summary.txt").unlink()
    severities = {one["severity"] for one in validate(run)["issues"]}
    assert "REQUIRED" in severities


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        ("mmdet-flow data split annotations.json --seed=1", "mmdet-flow data split"),
        ("mmdet-flow track results/cells --tries=1", "mmdet-flow track"),
        ("mkdir work && exec mmdet-flow predict --score=1", "mmdet-flow predict"),
        ("srun --ntasks=2 mmdet-flow model train c.py", "mmdet-flow model train"),
        ("cp a b", "cp"),
    ],
)
def test_the_tool_of_a_job_is_the_command_that_it_calls(command, tool):
    assert tool_of({"command": command}) == tool
