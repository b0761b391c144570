"""Words for people: numbers with their nouns, and times."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 class" or "3 classes"."""
    if number == 1:
        return f"1 {noun}"
    ending = "es" if noun.endswith(("s", "x", "sh", "tch")) else "s"
    return f"{number} {noun}{ending}"


def lasting(hours: float) -> str:
    """Return a time as a person says it: "10 minutes", "1 hour", "2.5 hours"."""
    minutes = 60 * hours
    is_whole = round(hours, 3) == round(hours)
    if minutes >= 120 or (is_whole and round(hours)):
        value, noun = hours, "hour"
    elif minutes >= 1:
        value, noun = minutes, "minute"
    else:
        value, noun = 60 * minutes, "second"
    text = f"{value:.3g}"
    return f"1 {noun}" if text == "1" else f"{text} {noun}s"
