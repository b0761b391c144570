"""Image size and epochs, by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject
from mmdet_flow.errors import DataError
from mmdet_flow.model.fit.growth import small_epochs
from mmdet_flow.start.init.find import find
from mmdet_flow.start.init.plan import plan_for
from mmdet_flow.start.init.sizes import Sizes, measure
from mmdet_flow.start.init.speed import assumed_speed
from tests.dataset.voc_data import make_voc

CELLS = Sizes((640, 480), 38 / 640, "Platelets")


def plan(sizes=CELLS, minutes=60.0, train=205, val=87, cores=2, preset="small-boxes"):
    return plan_for(preset, sizes, train, val, minutes, assumed_speed(preset, cores))


def test_the_size_at_which_half_of_the_smallest_have_two_cells():
    assert plan().image_size == 320  # 38 of 640 pixels are 19; at 256 they are 15
    assert plan(Sizes((640, 480), 0.5, "WBC")).image_size == 192
    assert plan(Sizes((200, 100), 0.02, "dot")).image_size == 256  # just above theirs
    assert plan(Sizes((150, 100), 0.02, "dot")).image_size == 192


def test_epochs_fill_the_time_and_no_more():
    half = plan(minutes=15)
    assert 24 <= half.epochs < 100 and 14 < half.minutes <= 15
    assert half.val_interval == half.epochs // 4
    full = plan(minutes=600)
    assert full.epochs == 100 and full.minutes < 60 and not full.warning
    # Few images are seen more often, as often as in the zoo at most.
    assert plan(train=60, minutes=600).epochs == 200
    assert plan(train=8, minutes=600).epochs == 300


def test_little_time_makes_images_small_before_epochs_few():
    short = plan(minutes=4)
    # At 256 they do not grow, which takes longer than to grow to 320.
    assert (short.image_size, short.epochs >= 24) == (192, True)
    assert "images of 320 pixels would show more" in short.warning
    shorter = plan(minutes=2)
    assert shorter.image_size == 192 and shorter.epochs < 24
    assert f"only {shorter.epochs} epochs;" in shorter.warning
    assert plan(minutes=0.1).epochs == 1


@pytest.mark.parametrize("minutes", [0.1, 2, 3, 5, 8, 15, 600])
def test_as_many_epochs_are_small_as_in_the_training(minutes):
    """By the pixels that the network sees: 60 % of the epochs, rounded down."""
    speed = replace(assumed_speed("small-boxes", 2), start=0.0, validated=0.0)
    found = plan_for("small-boxes", CELLS, 205, 87, minutes, speed, [320])
    small = small_epochs(found.epochs)
    assert 0 <= 0.6 * found.epochs - small < 1 and (small > 0) == (found.epochs > 1)
    one = speed.seconds_per_image(320, CELLS.image)

    def minutes_of(epochs: int) -> float:
        small = small_epochs(epochs)
        return 205 / 60 * one * (epochs - small + small / 4)  # half as wide and high

    assert found.minutes == pytest.approx(minutes_of(found.epochs))
    assert found.epochs in (1, 100) or found.minutes <= minutes
    assert found.epochs == 100 or minutes_of(found.epochs + 1) > minutes


def test_objects_that_stay_too_small_are_named():
    tiny = plan(Sizes((4000, 3000), 0.002, "dot"), minutes=6000)
    assert tiny.image_size == 1024
    assert tiny.warning == "dot has about 2 pixels, which is hardly seen"


def test_images_and_objects_are_measured(tmp_path):
    root = make_voc(tmp_path)
    images = find(root, root).images
    sizes = measure(images, ["cat", "dog"])
    # The cats are of 26x36 and 1x1 pixels, the dog of 20x20; images are 64 pixels wide.
    assert sizes == Sizes((64, 48), pytest.approx(13.5 / 64), "cat", 36 / 64)
    assert measure(images, ["dog"]).label == "dog"
    for path in (root / "images").iterdir():
        path.write_bytes(b"no image")
    # The annotations say how large they are.
    assert measure(images, ["cat", "dog"]) == sizes
    unsized = [replace(one, size=None) for one in images]
    with pytest.raises(DataError, match="no image with an object can be opened"):
        measure(unsized, ["cat", "dog"])


@pytest.mark.parametrize(
    ("sides", "usual"),
    [
        ([(64, 48)] * 3 + [(48, 64)] * 2, (64, 48)),
        ([(64, 48)] * 2 + [(48, 64)] * 3, (48, 64)),
        ([(48, 64), (16, 12), (64, 48), (64, 48), (640, 480)], (64, 48)),
        ([(10, 12), (64, 48), (640, 480)], (64, 48)),
        ([(10, 12), (64, 48)], (10, 12)),
    ],
)
def test_the_usual_size_is_that_of_most_images_of_the_middle_area(sides, usual):
    """In whatever order they come: upright ones are as large as those that lie."""
    box = AnnotatedObject("cat", (1, 1, 5, 5))
    for order in (sides, sides[::-1]):
        images = [
            AnnotatedImage(
                Path(f"{number}.xml"), Path(f"no/{number}.jpg"), size, (box,)
            )
            for number, size in enumerate(order)
        ]
        assert measure(images, ["cat"]).image == usual
