"""Numbers with their nouns, and times."""

import pytest

from mmdet_flow.cli import hours
from mmdet_flow.words import counted, lasting


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "image", "0 images"),
        (1, "image", "1 image"),
        (2, "more class", "2 more classes"),
        (1, "more class", "1 more class"),
        (3, "box", "3 boxes"),
        (2, "batch", "2 batches"),
        (2, "epoch", "2 epochs"),
    ],
)
def test_a_noun_follows_its_number(number, noun, text):
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(("10m", "10 minutes"), ("1m", "1 minute"), ("90m", "90 minutes")),
        *(
            ("1", "1 hour"),
            ("2h", "2 hours"),
            ("2h30m", "2.5 hours"),
            ("48", "48 hours"),
        ),
        *(("20m", "20 minutes"), ("7h20m", "7.33 hours"), ("0.5m", "30 seconds")),
        *(("1h1m", "61 minutes"), ("100h", "100 hours")),
    ],
)
def test_a_time_is_told_as_a_person_says_it(text, said):
    """Also one that a config has, which is rounded there."""
    assert lasting(hours(text)) == said
    assert lasting(float(f"{hours(text):.4g}")) == said
