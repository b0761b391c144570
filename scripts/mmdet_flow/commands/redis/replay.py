"""Send requests that were given up again, or list them.

The streams front moves a request to the stream NAME:dead when its delivery ended the
worker several times, or when it cannot be answered. Once the cause is fixed, this
command moves those requests back.
"""

import argparse

from mmdet_flow import cli
from mmdet_flow.serving.connection import Connection
from mmdet_flow.serving.names import dead_letters
from mmdet_flow.serving.options import add_connection_options, connect
from mmdet_flow.serving.replay import replay
from mmdet_flow.words import counted


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "--redis-port 16379 --list",
    )
    parser.add_argument(
        "entries", nargs="*", metavar="ENTRY", help="only these (default: all)"
    )
    parser.add_argument(
        "--list", action="store_true", help="show entry, id and error, move nothing"
    )
    parser.add_argument(
        "--redis-in", default="images", metavar="NAME", help="default: images"
    )
    add_connection_options(parser.add_argument_group("Redis"), dash="-")
    return parser


def run(options: argparse.Namespace) -> None:
    connection = connect(options)
    connection.check()
    with connection.told():
        if options.list:
            _list(connection, options.redis_in, options.entries)
        else:
            moved = replay(connection, options.redis_in, options.entries)
            requests = counted(len(moved), "request")
            cli.log.info("moved %s back to %s", requests, options.redis_in)


def _list(connection: Connection, stream: str, entries: list[str]) -> None:
    """Print the dead letters of a stream, all or those given."""
    for entry, fields in connection.client.xrange(dead_letters(stream)):
        if entries and entry.decode() not in entries:
            continue
        name = fields.get(b"id", b"").decode(errors="replace")
        error = fields.get(b"error", b"").decode(errors="replace")
        print(entry.decode(), name, error, sep="\t")
