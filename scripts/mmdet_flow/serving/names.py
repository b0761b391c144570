"""Names of channels and streams: which clash, and which are not for clients."""

import re

from mmdet_flow.errors import UsageError


def dead_letters(stream: str) -> str:
    """Return the name of the stream for requests that were given up."""
    return f"{stream}:dead"


def answered(stream: str, what: str = "") -> str:
    """Return the name of the key that says that something was answered."""
    return f"{stream}:answered:{what}"


def removed(stream: str) -> str:
    """Return the name of the key that counts the requests which the service removed."""
    return f"{stream}:removed"


def is_own(name: str, redis_in: str) -> bool:
    """Whether a key is one in which the service keeps requests, or notes of them."""
    keys = (redis_in, dead_letters(redis_in), removed(redis_in))
    return name in keys or name.startswith(answered(redis_in))


def check_names(
    redis_in: str, redis_out: str, *, streams: bool = False, pattern: bool = False
) -> None:
    """Raise UsageError for names with which answers would be taken as requests.

    ``streams`` says that they are streams, and ``pattern`` that ``redis_in`` is one.
    """
    for option, name in (("redis_in", redis_in), ("redis_out", redis_out)):
        if not name:
            raise UsageError(f"{option} is empty; give a name")
    if redis_in == redis_out:
        raise UsageError(
            f"redis_in and redis_out are both {redis_in}: each answer would be a "
            "request; give them two names"
        )
    if streams and is_own(redis_out, redis_in):
        raise UsageError(
            f"redis_out {redis_out}: the service keeps this for requests; choose "
            f"another name, not one that begins with {redis_in}:"
        )
    if pattern and not streams and _may_match(redis_in, redis_out):
        raise UsageError(
            f"redis_in {redis_in}: the pattern matches redis_out {redis_out}, so each "
            "answer would be a request; choose another pattern or name"
        )


def _may_match(pattern: str, name: str) -> bool:
    """Whether a pattern of Redis matches a name, with [...] as any character."""
    parts = re.findall(r"\\.|\[(?:\\.|[^\]])*\]?|.", pattern, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    expression = "".join(
        "." if part[0] == "[" else wild.get(part) or re.escape(part[-1])
        for part in parts
    )
    return re.fullmatch(expression, name, re.DOTALL) is not None
