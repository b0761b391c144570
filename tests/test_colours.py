"""The colours of classes and of errors, as people with each kind of sight have them."""

import re

import numpy as np
import pytest

from mmdet_flow.colours import PALETTE, bgr, ink, rgb
from mmdet_flow.evaluation.shapes import LEGEND
from mmdet_flow.figures import new_figure
from tests.conftest import ROOT

SHEET = (ROOT / "scripts/mmdet_flow/pages/templates/page.css").read_text()
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": [
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "deuteranopia": [
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
}
"""Machado, Oliveira and Fernandes (2009), A Physiologically-based Model for Simulation
of Color Vision Deficiency, at severity 1.0: matrices for linear light."""


XYZ = np.array(
    [
        (0.4124564, 0.3575761, 0.1804375),
        (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041),
    ]
)
"""From linear sRGB (IEC 61966-2-1)."""


def lab_of(colour: tuple, sight) -> np.ndarray:
    """Return a colour of sRGB in CIELAB (D65), as a kind of sight has it."""
    value = np.array(colour) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    ratio = XYZ @ np.clip(np.array(sight) @ light, 0, 1) / XYZ.sum(1)
    low = ratio / (3 * (6 / 29) ** 2) + 4 / 29
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), low)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    """Return the difference of two colours in CIELAB: Sharma, Wu and Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    more = 1.5 - 0.5 * np.sqrt(c / (c + 25.0**7))
    (c1, c2), (h1, h2) = (
        (np.hypot(a1 * more, b1), np.hypot(a2 * more, b2)),
        (np.arctan2(b1, a1 * more), np.arctan2(b2, a2 * more)),
    )
    turn = (h2 - h1 + np.pi) % (2 * np.pi) - np.pi
    h = np.degrees(h1 + turn / 2)
    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # noqa: E741
    t = 1 + sum(
        share * np.cos(np.radians(times * h + add))
        for share, times, add in (
            *((-0.17, 1, -30), (0.24, 2, 0)),
            *((0.32, 3, 6), (-0.20, 4, -63)),
        )
    )
    light = (l2 - l1) / (1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2))
    chroma = (c2 - c1) / (1 + 0.045 * c)
    hue = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / (1 + 0.015 * c * t)
    around = np.radians(60 * np.exp(-(((h % 360 - 275) / 25) ** 2)))
    twist = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(around)
    return float(np.sqrt(light**2 + chroma**2 + hue**2 + twist * chroma * hue))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ],
)
def test_differences_are_those_of_the_paper(one, other, difference):
    """Pairs of its table 1."""
    assert ciede2000(one, other) == pytest.approx(difference, abs=5e-5)


def least_difference(colours: list[tuple], sight: str) -> float:
    """Return how far apart the two colours are that are most alike."""
    seen = [lab_of(one, SIGHTS[sight]) for one in colours]
    pairs = ((a, b) for n, a in enumerate(seen) for b in seen[:n])
    return min(ciede2000(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("sight", "least"), [("usual", 20), ("protanopia", 11), ("deuteranopia", 11)]
)
def test_the_colours_of_classes_are_told_apart_by_all(sight, least):
    assert len(PALETTE) == 8
    assert least_difference(list(map(rgb, range(8))), sight) >= least


def colour_in_sheet(name: str) -> str:
    found = re.findall(rf"\.{name} {{ --colour: (#\w{{6}})[ ;]", SHEET)
    assert len(found) == 1, name
    return found[0]


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_colours_of_errors_are_told_apart_by_all(sight):
    colours = [colour_in_sheet(error or "shape") for _, error, _ in LEGEND]
    pixels = [tuple(bytes.fromhex(one[1:])) for one in colours]
    assert least_difference(pixels, sight) >= 16


def test_colours_that_were_common_would_not_do():
    """The first eight of matplotlib, for one."""
    from matplotlib import colormaps

    tab = [tuple(255 * np.array(one)) for one in colormaps["tab10"].colors[:8]]
    assert least_difference(tab, "protanopia") < 3


def test_plots_pages_and_drawings_have_the_same_colours():
    from matplotlib.colors import to_hex

    new_figure(1, 1)
    for number, colour in enumerate(PALETTE):
        assert to_hex(f"C{number}") == colour == colour_in_sheet(f"by-class .c{number}")
        assert bytes(rgb(number)).hex() == colour[1:] == bytes(bgr(number)[::-1]).hex()
    assert rgb(8) == rgb(0) and to_hex("C8") == PALETTE[0]


def test_letters_on_the_colours_can_be_read():
    white = re.findall(r"\.by-class \.c(\d) { --colour: #\w{6}; --ink: #fff }", SHEET)
    assert [int(one) for one in white] == [n for n in range(8) if any(ink(n))]
    for number in range(8):
        both = [lab_of(one, np.eye(3))[0] for one in (rgb(number), ink(number))]
        assert abs(both[0] - both[1]) > 45
