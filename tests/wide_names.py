"""Names whose characters are not as many as the columns that they take."""

import unicodedata

WIDE = "\u7d30\u80de\u691c\u51fa"
"""Four Chinese characters, eight columns."""

KANA = "\uff86\uff9d\uff9e\u30fc"
"""Japanese of half and of full width, five columns: one has a mark of its own."""

MARKED = "e\u0301o\u0308x"
"""Three letters, three columns, five characters."""

NAMES = (WIDE, KANA, MARKED, "plain")


def columns_of(text: str) -> int:
    """Count the columns of a text by the data of Unicode alone."""
    return sum(
        0
        if unicodedata.combining(one)
        else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )
