"""Numbers with their nouns."""

import pytest

from mmdet_flow.words import counted


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
