"""Large arrays are made of memory that the process has already."""

import subprocess
import sys

SCRIPT = """
import resource, sys
import numpy as np
from mmdet_flow.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(48 * 2**20, np.uint8)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(pages)
"""


def pages_of_the_third_array(mode: str) -> int:
    command = [sys.executable, "-c", SCRIPT, mode]
    return int(subprocess.run(command, capture_output=True, text=True).stdout)


def test_freed_memory_is_used_again():
    assert pages_of_the_third_array("keep") < 10
    # What it is for: without it the array comes in pages, however large they are.
    assert pages_of_the_third_array("give back") > 10
