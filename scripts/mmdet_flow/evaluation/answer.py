"""The answer to the first question: how many it finds, and how many are wrong.

At the score thresholds that the model was measured with, which are those that the
workflow predicts with.
"""

from collections.abc import Iterator

from mmdet_flow.contents import ALL, Kept, Metrics, Range, name_apart

HEADER = ("", "score", "finds", "recall", "wrong", "precision")
"""What the cells of ``rows`` are."""


def answer(metrics: Metrics) -> str:
    """Return in words how many objects of all classes are found, and how many wrong."""
    name = total_of(metrics)
    return _in_words(metrics["at_scores"][name], _limits(metrics, name))


def rows(metrics: Metrics) -> Iterator[tuple[str, ...]]:
    """Yield the same as cells, of all classes first, then of each."""
    every = total_of(metrics)
    for name in (every, *(one for one in metrics["at_scores"] if one != every)):
        kept, limits = metrics["at_scores"][name], _limits(metrics, name)
        score = metrics["scores"].get(name)
        yield (
            *(name, "" if score is None else f"{score:.3f}", found(kept)),
            *(percent(kept["recall"], limits.get("recall")), wrong(kept)),
            percent(kept["precision"], limits.get("precision")),
        )


def _limits(metrics: Metrics, name: str) -> dict[str, Range | None]:
    return metrics["intervals"].get("at_scores", {}).get(name, {})


def total_of(metrics: Metrics) -> str:
    """Return what the figures of all classes together are called."""
    return name_apart(ALL, metrics["scores"])


def wrong(kept: Kept) -> str:
    """Return how many of the detections of a class are false positives."""
    return f"{kept['false_positives']} of {reported(kept)}"


def found(kept: Kept) -> str:
    """Return how many of the objects of a class are found."""
    return f"{kept['true_positives']} of {kept['objects']}"


def reported(kept: Kept) -> int:
    """Return the number of detections of a class."""
    return kept["true_positives"] + kept["false_positives"]


def percent(value: float | None, limits: Range | None) -> str:
    """Return a fraction in percent with its interval, n/a without one."""
    if value is None:
        return "n/a"
    interval = f", {_whole(limits[0])} to {_whole(limits[1])}" if limits else ""
    return f"{_whole(value)} %{interval}"


def _in_words(kept: Kept, limits: dict[str, Range | None]) -> str:
    recall = percent(kept["recall"], limits.get("recall"))
    precision = percent(kept["precision"], limits.get("precision"))
    finds = f"finds {found(kept)} (recall {recall})"
    if not kept["objects"]:
        finds = "has no object to find"
    if not reported(kept):
        return f"{finds}; reports nothing"
    return f"{finds}; {wrong(kept)} reported are wrong (precision {precision})"


def _whole(value: float) -> str:
    """Return a fraction as percent without digits; only the whole is 100."""
    rounded = round(100 * value)
    return str(99 if rounded == 100 and value < 1 else rounded)
