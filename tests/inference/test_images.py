import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet_flow.errors import DataError
from mmdet_flow.inference.images import decode


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
def test_other_kinds_of_pixels(array, expected):
    assert decode(encoded(array))[0, 0].tolist() == expected


@pytest.mark.parametrize(
    "content", [b"", b"hello", encoded(np.ones((9, 9), np.uint8))[:9]]
)
def test_broken_images(content):
    with pytest.raises(DataError, match="the image"):
        decode(content)
