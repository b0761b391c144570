"""What sites and tools that list repositories read of this one."""

import re
import tomllib

import yaml

from mmdet_flow import __version__
from tests.conftest import ROOT


def read_yaml(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_citation_agrees_with_the_package():
    """Its form was checked with cffconvert."""
    citation = read_yaml("CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0" and citation["message"]
    assert citation["title"] == project["name"]
    assert citation["license"] == project["license"]
    assert all(one["name"] for one in citation["authors"])


def test_the_workflow_catalog_finds_what_it_asks_for():
    """By its page on adding workflows; the Snakefile stays at the top."""
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    assert (ROOT / "Snakefile").is_file() and [*ROOT.glob("rules/*.smk")]
    assert (ROOT / "config/README.md").is_file()
    usage = read_yaml(".snakemake-workflow-catalog.yml")["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert set(usage["software-stack-deployment"]) == {
        *("conda", "apptainer", "apptainer+conda"),
    }


def test_the_config_of_the_catalog_is_that_of_the_workflow():
    assert (ROOT / "config/config.yaml").samefile(ROOT / "config.yaml")


GROUPS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_changelog_is_kept_as_it_says():
    """As keepachangelog.com asks: the newest version first, changes by their kind."""
    _, *sections = re.split("^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    versions = []
    for heading, *lines in map(str.splitlines, sections):
        dated = r"(\d+)\.(\d+)\.(\d+) \((unreleased|\d{4}-\d\d-\d\d)\)"
        versions.append(tuple(map(int, re.fullmatch(dated, heading).groups()[:3])))
        groups = [line.removeprefix("### ") for line in lines if line.startswith("#")]
        assert groups and groups == [one for one in GROUPS if one in groups]
        assert next(filter(None, lines)) == f"### {groups[0]}", "a change in no group"
    assert ".".join(map(str, versions[0])) == __version__
    assert versions == sorted({*versions}, reverse=True)
