"""mmdet-flow, which names at its end what was imported. It imports nothing more."""

import sys

import mmdet_flow.main


def main() -> int:
    try:
        return mmdet_flow.main.main()
    finally:
        print(*sys.modules, sep="\n", file=sys.stderr)
