import yaml

from mmdet_flow.dataset.findings import ACTIONS, CHECKS
from mmdet_flow.dataset.readers import FORMATS
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
