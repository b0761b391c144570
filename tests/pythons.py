"""The Pythons of this machine."""

import os
import shutil
import subprocess
from pathlib import Path


def python_of(version: str) -> str | None:
    """Return a Python of this machine that can make environments."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [shutil.which(f"python{version}"), shutil.which("python3")]
    found += sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    says = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
    for python in filter(None, found):
        run = subprocess.run((python, "-c", says), capture_output=True, text=True)
        if run.stdout.strip() == version:
            return str(python)
    return None
