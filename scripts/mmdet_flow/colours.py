"""The colours of classes, by their place in the class list, in all pictures."""

PALETTE = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442"),
    "#802130",
)
"""Colours that differ for the colour-blind, too; a ninth class has the first again.

The first seven are those of Okabe and Ito, Color Universal Design (2008), without their
black, which is lost in dark images; the last differs most from them.
"""


def rgb(number: int) -> tuple[int, int, int]:
    """Return the colour of a class, as red, green and blue from 0 to 255."""
    text = PALETTE[number % len(PALETTE)].removeprefix("#")
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


def bgr(number: int) -> tuple[int, int, int]:
    """Return the colour of a class as OpenCV takes it."""
    return rgb(number)[::-1]


def ink(number: int) -> tuple[int, int, int]:
    """Return black or white, which can be read better on the colour of a class.

    By the contrast of WCAG 2.2, of which both are equal at a luminance of 0.18.
    """
    shares = zip(rgb(number), (0.2126, 0.7152, 0.0722), strict=True)
    luminance = sum(share * _linear(value / 255) for value, share in shares)
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def _linear(value: float) -> float:
    """Return a value of sRGB as light."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
