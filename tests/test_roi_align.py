"""Our RoIAlign gives what mmcv's gives, in values and in gradients."""

import mmcv.ops
import pytest
import torch
from torch import nn

from mmdet_flow.roi_align import RoIAlign, roi_align, use_fast_roi_align

SIZE, SCALE = (7, 5), 1 / 8
IMAGES, HEIGHT, WIDTH = 2, 13, 17


@pytest.fixture
def features():
    shape = (IMAGES, 6, HEIGHT, WIDTH)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def rois():
    """Regions inside, partly and fully outside, a point, a line, half a pixel."""
    generator = torch.Generator().manual_seed(1)
    sides = torch.tensor([WIDTH, HEIGHT]) / SCALE
    corners = torch.rand(60, 2, 2, generator=generator) * sides * 1.5 - 20
    boxes = torch.cat((corners.amin(1), corners.amax(1)), 1)
    boxes[0] = 30.0
    boxes[1] = torch.tensor([30.0, 20.0, 90.0, 20.0])
    boxes[2] = torch.tensor([30.0, 20.0, 31.0, 22.0])
    boxes[3] = torch.tensor([500.0, 500.0, 600.0, 600.0])
    images = torch.randint(0, IMAGES, (60, 1), generator=generator)
    return torch.cat((images.float(), boxes), 1)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_mmcv(
    features, rois, aligned, sampling_ratio, layout
):
    ours = features.clone(memory_format=layout).requires_grad_()
    theirs = features.clone().requires_grad_()
    options = (rois, SIZE, SCALE, sampling_ratio)
    found = roi_align(ours, *options, aligned)
    expected = mmcv.ops.roi_align(theirs, *options, "avg", aligned)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert expected.abs().max() > 0.5
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-4)


def test_bytes_do_not_depend_on_the_number_of_threads(features, rois):
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            one = features.clone().requires_grad_()
            regions = roi_align(one, rois, SIZE, SCALE)
            regions.square().sum().backward()
            found.append((regions.detach(), one.grad))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_no_regions_are_an_empty_answer(features):
    assert roi_align(features, torch.zeros(0, 5), SIZE, SCALE).shape == (0, 6, *SIZE)


def test_an_inverted_region_is_one_without_extent(features):
    """A model that has hardly learned may ask for some; mmcv ends the process."""
    regions = torch.tensor([[0.0, 50, 60, 20, 90], [0.0, 50, 60, 50, 90]])
    for ratio in (0, 2):
        found, expected = roi_align(features, regions, SIZE, SCALE, ratio)
        torch.testing.assert_close(found, expected)


def test_layers_that_take_means_are_replaced():
    mean = mmcv.ops.RoIAlign(SIZE, SCALE, 2, pool_mode="avg", aligned=False)
    greatest = mmcv.ops.RoIAlign(SIZE, SCALE, 2, pool_mode="max")
    model = nn.ModuleDict({"layers": nn.ModuleList([mean, greatest])})
    use_fast_roi_align(model)
    ours, other = model["layers"]
    assert other is greatest
    assert isinstance(ours, RoIAlign)
    assert (ours.output_size, ours.spatial_scale) == (SIZE, SCALE)
    assert (ours.sampling_ratio, ours.aligned) == (2, False)
