"""Columns of a terminal: names may have characters that take two of them, or none."""


def cells(text: str) -> int:
    """Return how many columns a line takes, which its number of characters is not.

    Characters of Chinese and Japanese take two each, and combining marks none.
    """
    # In here, as most commands that import this module print no table.
    from rich.cells import cell_len

    # By the newest Unicode, whatever a variable says: files have such columns, too.
    return cell_len(text, "latest")


def padded(text: str, width: int) -> str:
    """Return a text with spaces after it, up to so many columns."""
    return text + " " * (width - cells(text))


def folded(text: str, width: int) -> list[str]:
    """Return lines of at most so many columns; a word that is longer is one alone.

    A path is never broken, so that it can be copied.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and cells(lines[-1]) + 1 + cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
