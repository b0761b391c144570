"""Class names that may mean the same: other signs, or a slip of the pen."""

import unicodedata
from collections.abc import Iterator, Mapping

from mmdet_flow.scrub import is_control

RARE = 10
"""A name is only taken for a slip of one with so many times its objects, or more."""

SHORTEST = 4
"""Letters of names that are compared: shorter ones are often alike, as car and cat."""


def without_controls(name: str) -> str:
    """Return a class name with a space for what lists and terminals do not take."""
    if name.isprintable():
        return name
    plain = "".join(" " if is_control(sign) else sign for sign in name)
    return name if plain == name else " ".join(plain.split())


def same_but_for_signs(name: str) -> str:
    """Return what is left of a class name without case, spaces and punctuation.

    Accents stay, in whichever of its Unicode forms a name is written.
    """
    folded = unicodedata.normalize("NFKC", name.casefold())
    return "".join(filter(str.isalnum, folded)) or name


def spellings(counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield the spellings of each name that has several, the most frequent first.

    Args:
        counts: the number of objects of each name.
    """
    alike: dict[str, list[str]] = {}
    for name in counts:
        alike.setdefault(same_but_for_signs(name), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            yield sorted(names, key=lambda name: (-counts[name], name))


def slips(counts: Mapping[str, int]) -> dict[str, str]:
    """Return rare names that are a letter off a frequent one, with that one.

    Args:
        counts: the number of objects of each name.
    """
    found = {}
    for name, count in counts.items():
        meant = [
            other
            for other, often in counts.items()
            if count * RARE <= often and often > 0 and _is_a_letter_off(name, other)
        ]
        if meant:
            found[name] = max(meant, key=lambda other: counts[other])
    return found


def _is_a_letter_off(one: str, other: str) -> bool:
    """Whether a letter was changed, left out or added, or two changed places.

    Digits number things, and tell them apart.
    """
    if abs(len(one) - len(other)) > 1:
        return False
    shorter, longer = sorted(map(same_but_for_signs, (one, other)), key=len)
    if len(shorter) < SHORTEST or shorter == longer:
        return False
    pairs = enumerate(zip(shorter, longer, strict=False))
    at = next((place for place, (a, b) in pairs if a != b), len(shorter))
    if any(map(str.isdigit, shorter[at : at + 1] + longer[at : at + 1])):
        return False
    swapped = longer[at + 1 : at + 2] + longer[at : at + 1] + longer[at + 2 :]
    return shorter[at:] in (longer[at + 1 :], swapped) or (
        shorter[at + 1 :] == longer[at + 1 :]
    )
