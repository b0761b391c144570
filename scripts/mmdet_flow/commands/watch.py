"""Show running and finished experiments on a page that follows them.

It has curves, validations, stages, pictures and the load of the machine, from the files
of the results folder alone; nothing is written, and nothing comes from a network. Open
the address that it prints. It is served to this machine only; from elsewhere, forward
the port, as with ssh -L 8765:127.0.0.1:8765 HOST. Ctrl-C ends it.
"""

import argparse
import signal
import threading
from pathlib import Path

from mmdet_flow import cli


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(prog, __doc__, "", "results --port 9000")
    parser.add_argument(
        "results",
        nargs="?",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="results folder, which may come to be later (default: results)",
    )
    parser.add_argument("--port", type=cli.count, default=8765, help="default: 8765")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer requests to this name, too, as that of a proxy in front of it",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    from mmdet_flow.watch.overview import Results
    from mmdet_flow.watch.server import address_of, served, watch_server

    hosts = [name.lower() for name in options.allow_host]
    server = watch_server(Results(options.results), options.port, hosts)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with served(server):
        cli.log.info("open %s; Ctrl-C ends it", address_of(server))
        stop.wait()
    cli.log.info("stopped")
