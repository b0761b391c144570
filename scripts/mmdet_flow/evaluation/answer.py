"""The answer to the first question: how many it finds, and how many are wrong.

At the score thresholds that the model was measured with, which are those that the
workflow predicts with.
"""

from collections.abc import Iterator

from mmdet_flow.contents import ALL, Kept, Metrics, Range, name_apart


def answers(metrics: Metrics) -> Iterator[tuple[str, float | None, str]]:
    """Yield name, score threshold and answer: of all classes first, then of each."""
    kept, every = metrics["at_scores"], total_of(metrics)
    limits = metrics["intervals"].get("at_scores", {})
    for name in (every, *(name for name in kept if name != every)):
        text = _answer(kept[name], limits.get(name, {}))
        yield name, metrics["scores"].get(name), text


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


def _answer(kept: Kept, limits: dict[str, Range | None]) -> str:
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
