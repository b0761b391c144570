"""Send requests that were given up again, or list them.

The streams front moves a request to the stream NAME:dead when its delivery ended the
worker several times, or when it cannot be answered. Once the cause is mended, this
command moves those requests back.
"""

import argparse

from mmdet_flow import cli
from mmdet_flow.serving.connection import Connection, add_connection_options
from mmdet_flow.serving.names import dead_letters

MOVE = """
-- KEYS: requests, dead letters; ARGV: entry, fields and values...
-- Where the request cannot be added, this ends, and the letter stays.
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
redis.call('XDEL', KEYS[2], ARGV[1])
"""

OURS = (b"error", b"deliveries", b"replayed")
"""Fields of a dead letter that were not in the request."""


def replay(connection: Connection, stream: str, entries: list[str]) -> list[str]:
    """Move dead letters back into their stream, all or those given; return their ids.

    Each is moved in one step: it is never in both streams, nor in none.
    """
    redis, dead = connection.client, dead_letters(stream)
    move = redis.register_script(MOVE)
    moved = []
    for entry, fields in redis.xrange(dead):
        name = entry.decode()
        if entries and name not in entries:
            continue
        request = {key: value for key, value in fields.items() if key not in OURS}
        # What says that it is no repetition of the request that was answered.
        request[b"replayed"] = entry
        words = [word for pair in request.items() for word in pair]
        move([stream, dead], [entry, *words])
        moved.append(name)
    return moved


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    connection = Connection.from_options(args)
    connection.check()
    with connection.told():
        _run(connection, args)


def _run(connection: Connection, args: argparse.Namespace) -> None:
    if args.list:
        for entry, fields in connection.client.xrange(dead_letters(args.redis_in)):
            name = fields.get(b"id", b"").decode(errors="replace")
            error = fields.get(b"error", b"").decode(errors="replace")
            print(entry.decode(), name, error, sep="\t")
        return
    moved = replay(connection, args.redis_in, args.entries)
    cli.log.info("moved %d requests back to %s", len(moved), args.redis_in)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_redis_replay",
        __doc__,
        "--redis_port 16379 --list",
    )
    parser.add_argument(
        "entries", nargs="*", metavar="ENTRY", help="only these (default: all)"
    )
    parser.add_argument(
        "--list", action="store_true", help="show entry, id and error, move nothing"
    )
    parser.add_argument(
        "--redis_in", default="images", metavar="NAME", help="default: images"
    )
    add_connection_options(parser.add_argument_group("Redis"))
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: run(args), args)
