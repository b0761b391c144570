"""TIFF by windows: the pixels of libtiff and OpenCV where these are right."""

import io
import itertools
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mmdet_flow.dataset.pixels import read_pixels
from mmdet_flow.errors import DataError
from mmdet_flow.image_windows import WindowedImage
from mmdet_flow.images import decode
from tests.dataset.image_kinds import turned

HEIGHT, WIDTH = 200, 300
TILED, STRIPS = {"tile": (64, 64)}, {"rowsperstrip": 16}


def noise(*channels: int, seed: int = 0) -> np.ndarray:
    """Return smooth noise, which JPEG keeps, (HEIGHT, WIDTH, *channels) uint8."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (HEIGHT // 8 + 1, WIDTH // 8 + 1, *channels))
    return small.repeat(8, 0).repeat(8, 1)[:HEIGHT, :WIDTH].astype(np.uint8)


GREY, RGB, RGBA = noise(), noise(3), noise(4)
DEEP_GREY, DEEP = (
    np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, *more), np.uint16)
    for more in ((), (3,))
)
COLOURS = np.random.default_rng(2).integers(0, 65536, (3, 256), np.uint16)

KINDS = {
    "rgb": (RGB, {"photometric": "rgb"}),
    "deflate": (RGB, {"photometric": "rgb", "compression": "zlib", "predictor": True}),
    "lzw": (RGB, {"photometric": "rgb", "compression": "lzw", "predictor": True}),
    "jpeg": (RGB, {"photometric": "ycbcr", "compression": "jpeg"}),
    "jpeg in rgb": (RGB, {"photometric": "rgb", "compression": "jpeg"}),
    "grey": (GREY, {"photometric": "minisblack"}),
    "white is zero": (GREY, {"photometric": "miniswhite"}),
    "16 bits": (DEEP, {"photometric": "rgb"}),
    "alpha": (RGBA, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "multiplied alpha": (RGBA, {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
    "planes": (
        np.moveaxis(RGB, 2, 0).copy(),
        {"photometric": "rgb", "planarconfig": "separate"},
    ),
    "palette": (GREY, {"photometric": "palette", "colormap": COLOURS}),
}


def written(pixels, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def by_opencv(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def windows_of(content: bytes) -> WindowedImage:
    image = WindowedImage(io.BytesIO(content))
    image.require_readable(HEIGHT * WIDTH)
    return image


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", [TILED, STRIPS], ids=["tiles", "strips"])
@pytest.mark.parametrize("kind", KINDS)
def test_windows_have_the_pixels_of_the_whole(kind, layout, byteorder):
    pixels, options = KINDS[kind]
    content = written(pixels, byteorder=byteorder, **options, **layout)
    image = windows_of(content)
    whole = by_opencv(content)
    assert image.shape == whole.shape
    for top, bottom, left, right in ((0, 200, 0, 300), (50, 131, 60, 299)):
        window = image[top:bottom, left:right]
        assert np.array_equal(window, whole[top:bottom, left:right])


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("layout", [TILED, STRIPS, {}], ids=["tiles", "strips", "one"])
@pytest.mark.parametrize("kind", ["rgb", "lzw", "grey", "zstd", "webp", "jpeg2000"])
def test_windows_are_those_of_the_image_as_its_tag_turns_it(kind, layout, orientation):
    """Where OpenCV would unpack it, too, of which it mirrors each tile by itself."""
    packed = RGB, {"photometric": "rgb", "compression": kind}
    pixels, options = KINDS.get(kind, packed)
    tag = [(274, "H", 1, orientation, True)]
    content = written(pixels, extratags=tag, **options, **layout)
    expected = turned(orientation, Image.fromarray(pixels))
    assert np.array_equal(decode(content), expected)
    image = windows_of(content)
    assert image.shape == expected.shape
    for top, bottom, left, right in ((50, 131, 60, 199), (0, 1, 0, 1), (7, 7, 9, 9)):
        window = image[top:bottom, left:right]
        assert np.array_equal(window, expected[top:bottom, left:right])


@pytest.mark.parametrize("layout", [TILED, STRIPS], ids=["tiles", "strips"])
@pytest.mark.parametrize("size", [(200, 300), (192, 320), (64, 65)])
@pytest.mark.parametrize(
    ("photometric", "dtype", "channels"),
    [
        ("minisblack", np.uint16, ()),
        ("miniswhite", np.uint16, ()),
        ("minisblack", np.uint8, (2,)),
        ("minisblack", np.uint16, (2,)),
    ],
)
def test_deep_grey_is_its_upper_8_bits(photometric, dtype, channels, size, layout):
    """In tiles, too, whose last column OpenCV shears."""
    most = np.iinfo(dtype).max
    random = np.random.default_rng(0)
    pixels = random.integers(0, most, (*size, *channels), dtype, endpoint=True)
    alpha = {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    options = layout | (alpha if channels else {})
    content = written(pixels, photometric=photometric, **options)
    grey = pixels.reshape(*size, -1)[..., 0]
    expected = (most - grey if photometric == "miniswhite" else grey) >> (
        8 * (pixels.itemsize - 1)
    )
    assert np.array_equal(decode(content), cv2.merge([expected.astype(np.uint8)] * 3))


@pytest.mark.parametrize("tile", [(16, 16), (48, 48), (224, 336)], ids=str)
@pytest.mark.parametrize("kind", ["rgb", "grey", "16 bits", "planes", "palette"])
def test_tiles_that_fill_no_blocks_are_read_without_compression(kind, tile):
    """OpenCV refuses them in memory; it reads the same pixels in other tiles."""
    pixels, options = KINDS[kind]
    odd = decode(written(pixels, **options, tile=tile))
    assert np.array_equal(odd, by_opencv(written(pixels, **options, tile=(64, 64))))
    assert odd.any() and odd.shape == (HEIGHT, WIDTH, 3)


def places_of_tags(content: bytes) -> dict[int, int]:
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    places = (start + 2 + 12 * number for number in range(count))
    return {struct.unpack_from("<H", content, at)[0]: at for at in places}


DARK = {"grey": DEEP_GREY[:48, :80] >> 8, "rgb": DEEP[:48, :80] >> 8}
"""Images of 16 bits whose values are read again, to say how few bits they have."""

SMALL = {"tiles": {"tile": (32, 32)}, "strips": STRIPS}


def told(content: bytes, folder) -> str:
    """Return what is said of an image, the same by check and prediction, or nothing."""
    path = folder / "image.tif"
    path.write_bytes(content)
    found = read_pixels(path)
    try:
        assert decode(content).shape[2] == 3
    except DataError as error:
        reason = str(error).removeprefix("the image cannot be decoded: ")
        assert found == f"it cannot be decoded: {reason}"
        assert "\n" not in found
        return found
    assert not isinstance(found, str)
    return ""


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("layout", SMALL)
@pytest.mark.parametrize(
    "tag", [256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 322, 323, 324, 325]
)
def test_a_tag_of_a_wrong_type_is_one_line_or_none(tag, layout, depth, tmp_path):
    """A bit that flipped makes it text, bytes or a fraction, or none or two of them."""
    pixels = DARK["rgb"].astype(f"u{depth // 8}")
    content = written(pixels, photometric="rgb", metadata=None, **SMALL[layout])
    place = places_of_tags(content).get(tag)
    for kind, numbers in itertools.product((1, 2, 5, 7, 11), (0, 1, 2)):
        damaged = bytearray(content)
        if place:
            struct.pack_into("<HI", damaged, place + 2, kind, numbers)
        assert "; " in (told(bytes(damaged), tmp_path) or "; ")


@pytest.mark.parametrize("layout", SMALL)
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("photometric", ["grey", "rgb"])
@pytest.mark.parametrize("depth", [8, 16])
def test_what_is_missing_or_damaged_is_never_black(
    depth, photometric, compression, layout, tmp_path
):
    pixels = DARK[photometric].astype(f"u{depth // 8}")
    names = {"grey": "minisblack", "rgb": "rgb"}
    options = {"photometric": names[photometric], "compression": compression}
    content = written(pixels, **options, **SMALL[layout])
    assert told(content, tmp_path) == ""
    page = tifffile.TiffFile(io.BytesIO(content)).pages[0]
    start = page.dataoffsets[2]
    wrong = [content[: int(part * len(content))] for part in (0.1, 0.5, 0.9)]
    if compression:
        wrong.append(content[:start] + b"\x55\xaa" * 4 + content[start + 8 :])
    for damaged in wrong:
        assert told(damaged, tmp_path).endswith("; copy the file again")


@pytest.mark.parametrize(
    ("layout", "tag"),
    [(STRIPS, 256), (STRIPS, 257), (STRIPS, 278), (TILED, 322), (TILED, 323)],
)
def test_a_size_of_nothing_is_one_line(layout, tag):
    content = written(RGB, photometric="rgb", compression="zstd", **layout)
    damaged = bytearray(content)
    struct.pack_into("<I", damaged, places_of_tags(content)[tag] + 8, 0)
    with pytest.raises(DataError, match="its header is damaged; copy the file again"):
        decode(bytes(damaged))


def test_tiles_that_were_left_out_are_black():
    tiles = (noise(3)[:64, :64] if number % 2 == 0 else None for number in range(20))
    options = {"shape": RGB.shape, "dtype": np.uint8, "photometric": "rgb"}
    image = windows_of(written(tiles, **options, **TILED))
    assert image[:64, :64].any() and not image[:64, 64:128].any()


def test_what_is_read_is_bounded(monkeypatch):
    monkeypatch.setattr("mmdet_flow.image_windows.CACHE", 3 * 64 * 64 * 3)
    image = windows_of(written(RGB, photometric="rgb", **TILED))
    assert np.array_equal(image[:, :], RGB[..., ::-1])
    assert len(image._cache) == 3


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (RGB, {"compression": "zlib"}, "60000 pixels are packed together"),
        (GREY.astype(np.float32), TILED, "no whole numbers"),
        (GREY.astype(np.uint32), TILED, "have 32 bits"),
    ],
)
def test_what_cannot_be_read_by_windows_says_why(pixels, options, reason):
    image = WindowedImage(io.BytesIO(written(pixels, **options)))
    with pytest.raises(DataError, match=f"{reason}.*; save it as a tiled TIFF"):
        image.require_readable(HEIGHT * WIDTH - 1)


def test_damage_is_told_with_its_place():
    content = written(RGB, photometric="rgb", compression="zlib", **TILED)
    page = tifffile.TiffFile(io.BytesIO(content)).pages[0]
    start = page.dataoffsets[6]
    damaged = content[:start] + b"\0" * 20 + content[start + 20 :]
    image = windows_of(damaged)
    assert image[:64, :64].any()
    with pytest.raises(DataError, match="cannot be read at row 64, column 64: "):
        image[:, :]


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0" + b"\xff" * 40])
def test_what_is_no_tiff_is_one_line(content):
    with pytest.raises(DataError, match="its header is damaged; copy the file again"):
        WindowedImage(io.BytesIO(content))
