"""Words for people: numbers with their nouns."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 class" or "3 classes"."""
    if number == 1:
        return f"1 {noun}"
    ending = "es" if noun.endswith(("s", "x", "sh", "tch")) else "s"
    return f"{number} {noun}{ending}"


def duration_in_words(hours: float) -> str:
    """Return a time as in "10 minutes" or "2.5 hours"."""
    minutes = max(1, round(60 * hours))
    return counted(minutes, "minute") if minutes < 120 else f"{round(hours, 1):g} hours"
