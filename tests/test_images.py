import io
from functools import partial

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from mmdet_flow.errors import DataError
from mmdet_flow.images import MAX_PIXELS, decode


def encoded(array, suffix=".png") -> bytes:
    return cv2.imencode(suffix, array)[1].tobytes()


def test_channels_are_blue_green_red():
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[..., 0] = 200  # blue
    assert decode(encoded(pixels))[0, 0].tolist() == [200, 0, 0]


def test_as_in_training(tmp_path):
    """The same pixels as mmdet's own loader, EXIF rotation included."""
    from mmcv.transforms import LoadImageFromFile as Loader

    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 6  # rotated by 90 degrees
    path = tmp_path / "rotated.jpg"
    picture.save(path, exif=exif)
    ours = decode(path.read_bytes())
    theirs = Loader().transform({"img_path": str(path)})["img"]
    assert ours.shape == (40, 30, 3)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((2, 2), 77, np.uint8), [77, 77, 77]),
        (np.full((2, 2), 0x4D2A, np.uint16), [0x4D, 0x4D, 0x4D]),
        (np.full((2, 2, 4), (1, 2, 3, 0), np.uint8), [1, 2, 3]),
    ],
    ids=["grey", "16 bits", "alpha"],
)
def test_other_pixel_formats(array, expected):
    assert decode(encoded(array))[0, 0].tolist() == expected


def pillow(mode, value, suffix, **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (8, 8), value).save(buffer, suffix, **options)
    return buffer.getvalue()


def test_palettes_and_cmyk_become_colours():
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=1)
    assert decode(buffer.getvalue())[0, 0].tolist() == [30, 20, 10]
    # No cyan, full magenta and yellow: red.
    red = decode(pillow("CMYK", (0, 255, 255, 0), "JPEG", quality=100))[0, 0]
    assert red[2] > 200 and red[0] < 60 and red[1] < 60


def packed_tiff(pixels, compression, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(
        stream, pixels, photometric="rgb", compression=compression, **options
    )
    return stream.getvalue()


@pytest.mark.parametrize("layout", [{"tile": (64, 64)}, {"rowsperstrip": 16}])
@pytest.mark.parametrize(
    "compression",
    [
        *("zlib", "lzw", "packbits", "zstd", "lzma", "webp", "lerc"),
        *("jpeg2000", "jpegxl", "aperio_jp2000_rgb"),
    ],
)
def test_what_a_tiff_is_packed_with_never_makes_it_black(compression, layout):
    pixels = np.random.default_rng(0).integers(1, 256, (150, 200, 3), np.uint8)
    content = packed_tiff(pixels, compression, **layout)
    assert np.array_equal(decode(content)[..., ::-1], pixels)


def test_a_tiff_of_a_makers_own_colours_is_one_line():
    pixels = np.full((64, 64, 3), 100, np.uint8)
    content = packed_tiff(pixels, "aperio_jp2000_ycbc", tile=(64, 64))
    with pytest.raises(DataError, match="packed as APERIO_JP2000_YCBC; save it as a"):
        decode(content)


@pytest.mark.parametrize("size", [(1, 1), (20000, 10)])
def test_extreme_shapes(size):
    assert decode(encoded(np.zeros((size[1], size[0]), np.uint8))).shape[1::-1] == size


def test_large_images_are_refused_before_they_are_unpacked():
    bomb = encoded(np.zeros((2000, 3000), np.uint8))
    assert len(bomb) < 20000
    told = r"3000 x 2000 pixels, more than max_pixels 5999999; .* or raise the limit$"
    with pytest.raises(DataError, match=told):
        decode(bomb, max_pixels=5_999_999)
    assert decode(bomb, max_pixels=6_000_000).shape == (2000, 3000, 3)


def test_a_limit_that_nobody_can_raise_is_not_to_be_raised():
    stream = io.BytesIO()
    Image.new("1", (15_000, 14_000)).save(stream, "PNG")
    told = rf"15000 x 14000 pixels, more than {MAX_PIXELS}; cut it into tiles$"
    with pytest.raises(DataError, match=told):
        decode(stream.getvalue())


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("fraction", [0.5, 0.99])
def test_cut_off_images_are_refused(suffix, fraction):
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    whole = encoded(noise, suffix)
    assert decode(whole + b"more").shape == noise.shape
    with pytest.raises(DataError, match="the image"):
        decode(whole[: int(fraction * len(whole))])


@pytest.fixture(params=[False, True], ids=["baseline", "progressive"])
def photo(request) -> bytes:
    """A JPEG whose EXIF data hold a thumbnail, a whole JPEG of its own."""
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    exif, buffer = b"Exif\0\0" + encoded(noise[:40, :40], ".jpg"), io.BytesIO()
    picture = Image.fromarray(noise)
    picture.save(buffer, "JPEG", exif=exif, progressive=request.param)
    return buffer.getvalue()


def test_a_photo_with_a_film_behind_it_is_whole(photo):
    """Phones append an MP4, whose bytes may look like the beginning of pixels."""
    assert np.array_equal(decode(photo + b"ftyp\xff\xda more"), decode(photo))


def test_a_photo_is_cut_off_wherever_it_ends_early(photo):
    for length in range(4, len(photo), 7):
        with pytest.raises(DataError, match="the image is cut off"):
            decode(photo[:length])
    with pytest.raises(DataError, match="the image is cut off"):
        decode(photo[:-1])


@pytest.mark.parametrize(
    "content", [b"", b"hello", encoded(np.ones((9, 9), np.uint8))[:9]]
)
def test_broken_images(content):
    with pytest.raises(DataError, match="the image"):
        decode(content)


@pytest.mark.parametrize(
    "pack",
    [
        partial(imagecodecs.jpeg8_encode, bitspersample=12),
        partial(imagecodecs.ljpeg_encode, bitspersample=12),
        imagecodecs.jpegls_encode,
    ],
    ids=["12 bits", "lossless", "JPEG-LS"],
)
def test_a_jpeg_of_a_rare_sort_is_called_one(pack):
    """Which are whole, and read by neither OpenCV nor Pillow."""
    with pytest.raises(DataError, match="it is a JPEG of a rare sort, or damaged; "):
        decode(pack(np.full((16, 16), 2000, np.uint16)))
