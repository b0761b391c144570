"""Tiles where objects are small in large images: when, which, and what is said."""

import math

import pytest

from mmdet_flow.start.init.find import find
from mmdet_flow.start.init.sizes import Sizes
from mmdet_flow.start.init.speed import assumed_speed
from mmdet_flow.start.init.tiling import kept_tiles, plan_for_tiles, tiles_for
from mmdet_flow.tiles import Tiles
from tests.dataset.voc_data import make_picture, voc_xml
from tests.start.init.test_command import config_in, init

SLIDE = (3840, 1920)
SPEED = assumed_speed("small-boxes", 2)


def sizes_of(pixels: float, largest: float = 0.0, image=SLIDE) -> Sizes:
    """Return sizes of objects that are given in pixels of the image."""
    longest = max(image)
    return Sizes(image, pixels / longest, "dot", largest / longest)


@pytest.mark.parametrize(
    ("sizes", "tiles"),
    [
        # At 1024 pixels, the largest size, 60 of 3840 are 16.
        (sizes_of(60), None),
        (sizes_of(38), Tiles(1536)),  # 40 times as much: at 640 it is 16
        (sizes_of(16), Tiles(640)),
        (sizes_of(4), Tiles(160)),
        (sizes_of(1), Tiles(160)),  # enlarged four times, and no more
        # The larger ones fit into what two tiles share, or into one more tile.
        (sizes_of(16, 200), Tiles(640, 0.35)),
        (sizes_of(16, 400), Tiles(640, 0.5, full_image=True)),
        # The network sees such an image as it is; tiles of 480 would gain little.
        (sizes_of(12, image=(640, 480)), None),
        (sizes_of(7, image=(640, 480)), Tiles(288)),
        (sizes_of(3, image=(150, 100)), None),  # a tile would be the image
    ],
)
def test_tiles_are_as_large_as_they_may_be(sizes, tiles):
    assert tiles_for(sizes) == tiles


def test_the_plan_is_that_of_the_tiles():
    tiles = Tiles(640)
    work = "small-boxes", sizes_of(16), 9, 3
    plan = plan_for_tiles(tiles, 20.0, *work, 600.0, SPEED)
    assert (plan.tiles, plan.count) == (tiles, 32)
    assert plan.image_size == 640 and not plan.warning
    # A fourth of the speed at 320 x 240, a bit less for squares, and four times as fast
    # in the first 60 % of the epochs: objects have 16 pixels, of which 8 would do.
    assert plan.speed == pytest.approx(11.7 / 4 * 3 / 4 / (0.6 / 4 + 0.4))
    assert plan.epochs == 100
    short = plan_for_tiles(tiles, 20.0, *work, 10.0, SPEED)
    assert short.image_size < 640 and "would show more" in short.warning
    none = plan_for_tiles(
        Tiles(160), 20.0, "small-boxes", sizes_of(1), 9, 3, 600.0, SPEED
    )
    assert none.warning == "dot has about 4 pixels, which is hardly seen"


@pytest.fixture
def scans(tmp_path):
    """Two scans with dots of 20 pixels in their upper left corner, as VOC."""
    for number in range(2):
        make_picture(tmp_path / f"scan{number}.jpg", number, (2600, 1300))
        dots = [("dot", x, 50, x + 19, 69) for x in range(10, 600, 60)]
        text = voc_xml(f"scan{number}.jpg", *dots, size=(2600, 1300), folder="")
        (tmp_path / f"scan{number}.xml").write_text(text)
    return tmp_path


def test_tiles_are_counted_as_they_will_be_cut(scans):
    images = find(scans, scans).images
    tiles = Tiles(640, overlap=0)
    # Of 5 x 3 tiles two show dots, and a tenth of the others is kept or so.
    assert 2 <= kept_tiles(images, tiles) <= 2 + 4
    assert kept_tiles(images, Tiles(2600)) == 1


def test_the_config_has_them_and_says_what_they_cost(scans):
    run = init(scans, ".", "--name", "dots", "--output", "dots.yaml", "--force")
    assert run.returncode == 0, run.stderr
    # 20 of 2600 pixels: 7.9 at 1024, and 16 in a tile of 800 that is 640 pixels large.
    experiment = config_in(scans, "dots.yaml")["dots"]
    assert experiment["tiles"] == {"size": 800, "overlap": 0.2}
    assert experiment["model"]["image_size"] == 640
    count = (1 + math.ceil((2600 - 800) / 640)) * (1 + math.ceil((1300 - 800) / 640))
    said = f"an image has {count} tiles, so its prediction takes {count} times as long"
    text = (scans / "dots.yaml").read_text()
    for where in (run.stdout, " ".join(text.replace("#", " ").split())):
        assert said in where and "dot has about 20 of 2600 pixels" in where


def test_no_tiles_are_proposed_where_images_do(scans):
    run = init(scans, ".", "--name", "dots", "--output", "dots.yaml")
    assert "tiles" in run.stdout
    for path in scans.glob("*.xml"):
        path.write_text(path.read_text().replace(">69<", ">119<"))
        boxes = path.read_text()
        for x in range(10, 600, 60):
            boxes = boxes.replace(f">{x + 19}<", f">{x + 59}<")
        path.write_text(boxes)
    run = init(scans, ".", "--name", "dots", "--output", "dots.yaml", "--force")
    assert run.returncode == 0 and "tiles" not in run.stdout
    assert "tiles" not in config_in(scans, "dots.yaml")["dots"]
