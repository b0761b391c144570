"""What does not fit the schema of the config, in the words of a config."""

from typing import TYPE_CHECKING

from mmdet_flow.workflow.campaigns import hint

if TYPE_CHECKING:
    import jsonschema

KINDS = {
    **{"array": "a list", "integer": "a whole number", "number": "a number"},
    **{"string": "a text", "null": "null", "object": "a section"},
    "boolean": "true or false",
}
LIMITS = {
    **{"minimum": "from", "exclusiveMinimum": "above"},
    **{"maximum": "to", "exclusiveMaximum": "below"},
}
"""Words for what the schema says where it takes several kinds of values."""

LONGEST = 40


def explained(problem: "jsonschema.ValidationError") -> str:
    """Return what does not fit, and what to do where the schema says it."""
    if problem.validator == "additionalProperties":
        known = list(problem.schema.get("properties", ()))
        key = next(key for key in problem.instance if key not in known)
        return f"unknown key {key}; {hint(str(key), known)}"
    if problem.validator == "anyOf":
        keys = (key for one in problem.validator_value for key in one["required"])
        return f"{' or '.join(map(repr, keys))} is a required property"
    if problem.validator == "oneOf":
        kinds = " nor ".join(map(_kind, problem.validator_value))
        return f"{_shown(problem.instance)} is neither {kinds}"
    if problem.validator == "type" and _is_number(problem.instance):
        return f"{_shown(problem.instance)} does not fit; give {_kind(problem.schema)}"
    return problem.message


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    """Return a value as text, a number of very many digits without most of them."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        return "a number of so many digits"
    return repr(value)


def _kind(part: dict) -> str:
    """Return what a part of the schema takes, in words."""
    if "const" in part:
        return part["const"]
    limits = "".join(f" {LIMITS[key]} {part[key]}" for key in LIMITS if key in part)
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    kinds = (
        KINDS[kind] + (limits if kind in ("integer", "number") else "")
        for kind in types
    )
    return " or ".join(kinds)
