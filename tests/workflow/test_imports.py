"""What the rules import: nothing that an environment with Snakemake alone lacks."""

import contextlib
import re
import subprocess
import sys
from importlib import metadata

from tests.conftest import ROOT

PACKAGE = ROOT / "scripts/mmdet_flow/workflow"


def test_the_rules_import_no_more_than_snakemake_brings():
    modules = sorted(path.stem for path in PACKAGE.glob("[a-z]*.py"))
    code = (
        "import sys; before = set(sys.modules); "
        f"from mmdet_flow.workflow import {', '.join(modules)}; "
        # Those without a spec are Cython's own, and no files.
        "found = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(*(m for m in found if getattr(sys.modules[m], '__spec__', None)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    others = set(run.stdout.split()) - set(sys.stdlib_module_names)
    assert {"mmdet_flow", "yaml"} <= others
    assert others - {"mmdet_flow"} <= brought_by("snakemake")
    assert not others & {"numpy", "pandas", "torch"}


def brought_by(name: str) -> set[str]:
    """Return the modules of a package on the index and of all that it requires."""
    waiting, found = [name], set()
    while waiting:
        one = re.match(r"[\w.-]+", waiting.pop())[0].lower().replace("_", "-")
        if one not in found:
            found.add(one)
            with contextlib.suppress(metadata.PackageNotFoundError):
                lines = metadata.requires(one) or ()
                waiting += [line for line in lines if "extra ==" not in line]
    modules = metadata.packages_distributions().items()
    return {
        module
        for module, names in modules
        if found & {one.lower().replace("_", "-") for one in names}
    }
