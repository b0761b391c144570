import yaml

from mmdet_flow.dataset.findings import ACTIONS, KINDS
from mmdet_flow.dataset.readers import FORMATS
from tests.conftest import ROOT


def data_schema() -> dict:
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    return schema["$defs"]["sections"]["properties"]["data"]["properties"]


def test_the_schema_knows_every_kind_action_and_format():
    policy = data_schema()["policy"]
    # The size in the network is not known to the conversion.
    kinds = [kind for kind in KINDS if kind != "too-small-to-learn"]
    assert policy["propertyNames"]["enum"] == kinds
    assert policy["additionalProperties"]["enum"] == list(ACTIONS)
    assert data_schema()["format"]["enum"] == list(FORMATS)


def test_the_docs_describe_every_kind_and_format():
    text = (ROOT / "docs/data.md").read_text()
    for name, kind in KINDS.items():
        row = f"| `{name}` | {kind.default} | {', '.join(kind.others)} |"
        assert row in text
        assert set(kind.actions) <= set(ACTIONS)
    assert all(f"| `{name}` |" in text for name in FORMATS)
