"""Class names that may mean the same."""

import unicodedata

import pytest

from mmdet_flow.dataset.spellings import slips, spellings


@pytest.mark.parametrize(
    "other", ["red cell", "RED-CELL", "Red_Cell", "redcell", " Red cell."]
)
def test_case_spaces_and_punctuation_tell_no_names_apart(other):
    assert list(spellings({other: 1, "dog": 5, "Red cell": 2})) == [["Red cell", other]]


@pytest.mark.parametrize("other", ["red cel", "red cell 2", "réd cell", "cell red"])
def test_letters_and_digits_do(other):
    assert list(spellings({other: 1, "Red cell": 2})) == []


def test_a_name_is_the_same_in_each_unicode_form():
    names = {unicodedata.normalize(form, "Grüne Größe") for form in ("NFC", "NFD")}
    assert len(names) == 2
    ((first, second),) = spellings(dict.fromkeys(names, 1))
    assert {first, second} == names


@pytest.mark.parametrize(
    "slip", ["Apfl", "Appfel", "Aptel", "Afpel", "Apfe", "Apfels", "apfl", "Äpfel"]
)
def test_a_rare_name_that_is_a_letter_off_a_frequent_one(slip):
    assert slips({"Apfel": 121, slip: 1, "Birne": 80}) == {slip: "Apfel"}
    assert slips({"Apfel": 121, slip: 13}) == {}  # not rare beside it


@pytest.mark.parametrize(
    ("rare", "frequent"),
    [
        *(("car", "cat"), ("type 1", "type 2"), ("cell", "cells 2")),
        *(("Apfl", "Ampel"), ("red-cell", "Red cell"), ("step10", "step1")),
    ],
)
def test_names_that_are_no_slips(rare, frequent):
    """Short ones, numbered ones, other words, and what are spellings of one name."""
    assert slips({rare: 1, frequent: 1000}) == {}


def test_of_several_names_the_most_frequent_is_meant():
    assert slips({"leaf": 100, "loaf": 200, "lxaf": 1}) == {"lxaf": "loaf"}
