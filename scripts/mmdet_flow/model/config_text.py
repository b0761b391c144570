"""The config text of a checkpoint or package: read as literals, never executed.

mmengine writes a config as assignments of plain values. Its own reader executes such a
text as Python; a checkpoint of a stranger must not get that far.
"""

import ast
import math
from typing import TYPE_CHECKING

from mmdet_flow.errors import ModelError

if TYPE_CHECKING:
    from mmengine.config import Config

LARGEST_TEXT = 1 << 20
"""Characters; the configs of the model zoo have some ten thousand."""

DEEPEST = 50
"""Nesting of values; that of the model zoo's configs is below 15."""

LARGEST_NUMBER = 1 << 63

NUMBERS = {"inf": math.inf, "nan": math.nan}
"""As mmengine writes them, without quotes."""

TRUST = "give the config that you trust with --config"


def read_config_text(text: str, source: object) -> "Config":
    """Return the config that a text from a stranger holds.

    ``source`` is its name in errors. Raises ModelError for a text that is anything but
    assignments of plain values.
    """
    from mmengine.config import Config

    try:
        return Config(parse_literals(text))
    except _Refused as error:
        raise ModelError(f"{source}: its config text, {error}; {TRUST}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{source}: its config text: {error}; {TRUST}") from None


def parse_literals(text: str) -> dict:
    """Return the values that a text of assignments names."""
    if len(text) > LARGEST_TEXT:
        raise _Refused(0, f"is of {len(text)} characters")
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise _Refused(error.lineno, f"is no config ({error.msg})") from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise _Refused(0, f"is no config ({error or type(error).__name__})") from None
    return dict(_assignment(statement) for statement in module.body)


class _Refused(Exception):
    """What a config text may not hold, and in which line."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(f"line {line}: {what}" if line else what)


def _assignment(statement: ast.stmt) -> tuple[str, object]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, _value(value, DEEPEST)
    raise _Refused(statement.lineno, "is code, and no assignment of a plain value")


def _value(node: ast.expr, depth: int):
    """Return the value of a literal."""
    if not depth:
        raise _Refused(node.lineno, f"is nested deeper than {DEEPEST} levels")
    depth -= 1
    match node:
        case ast.Constant(value=str() | bool() | None | int() | float() as value):
            if isinstance(value, int) and value >= LARGEST_NUMBER:
                raise _Refused(node.lineno, "holds a number of more than 64 bits")
            return value
        case ast.Name(id="inf" | "nan" as name):
            return NUMBERS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, depth)
        case ast.List(elts=items):
            return [_value(item, depth) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, depth) for item in items)
        case ast.Set(elts=items):
            return _hashable(node, lambda: {_value(item, depth) for item in items})
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return _hashable(
                node, lambda: {_value(k, depth): _value(v, depth) for k, v in pairs}
            )
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            return _call(node, name, args, keywords, depth)
    raise _Refused(node.lineno, "is code, and no plain value")


def _call(node: ast.Call, name: str, args: list, keywords: list, depth: int):
    """Return the value of the few calls that stand for a literal."""
    match name, args, keywords:
        case "dict", [] | [ast.Dict()], keywords if all(k.arg for k in keywords):
            given = _value(args[0], depth) if args else {}
            return given | {one.arg: _value(one.value, depth) for one in keywords}
        case "set", [], []:
            return set()
        case "float", [ast.Constant(value="inf" | "nan" | "-inf" as text)], []:
            return float(text)
    raise _Refused(node.lineno, f"calls {name}, which no plain value does")


def _number(node: ast.expr, depth: int) -> float:
    value = _value(node, depth)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refused(node.lineno, "is code, and no plain value")
    return value


def _hashable(node: ast.expr, make):
    try:
        return make()
    except TypeError:
        raise _Refused(node.lineno, "holds a list or dict as a key") from None
