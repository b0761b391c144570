"""RoIAlign for CPUs: on the features of all channels at once, where mmcv takes one."""

import mmcv.ops
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag


def roi_align(
    features: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Return the mean features of the bins of regions, bilinearly sampled.

    As mmcv computes it with ``pool_mode="avg"``, after "Mask R-CNN" (He et al. 2017).

    Args:
        features: (images, channels, height, width) float32; channels_last is fastest.
        rois: (n, 5) with the index of the image, left, top, right, bottom in pixels of
            the image.
        size: bins in height and width of a region.
        scale: pixels of the features for each pixel of the image.
        sampling_ratio: samples in height and width of a bin; 0 takes one for each
            pixel of the features that it spans.
        aligned: whether the centre of a pixel is at a half, not at zero.

    Returns:
        (n, channels, *size) in channels_last.
    """
    _, channels, height, width = features.shape
    if not len(rois):
        return features.new_zeros((0, channels, *size))
    offset = 0.5 if aligned else 0.0
    left, top, right, bottom = (rois[:, 1:] * scale - offset).unbind(1)
    extents = torch.stack((bottom - top, right - left), 1)
    extents = extents.clamp(min=0 if aligned else 1)
    bins = extents / rois.new_tensor(size)
    grids = torch.full_like(bins, sampling_ratio) if sampling_ratio else bins.ceil()
    # Regions with as many samples in a bin are sampled together.
    grid_sizes, inverse = torch.unique(grids.int(), dim=0, return_inverse=True)
    order = torch.argsort(inverse, stable=True)
    groups = order.split(torch.bincount(inverse).tolist())
    pixels, weights, sizes = [], [], []
    for some, (rows, columns) in zip(groups, grid_sizes.tolist(), strict=True):
        y, along_y = _samples(top[some], bins[some, 0], size[0], rows, height)
        x, along_x = _samples(left[some], bins[some, 1], size[1], columns, width)
        y += rois[some, 0].int()[:, None, None] * height
        at = y[:, :, None, :, None] * width + x[:, None, :, None, :]
        weight = along_y[:, :, None, :, None] * along_x[:, None, :, None, :]
        pixels.append(at.flatten())
        weights.append(weight.flatten())
        sizes.append(torch.full((at.shape[:3].numel(),), at.shape[3:].numel()))
    table = features.permute(0, 2, 3, 1).reshape(-1, channels)
    sums = _WeightedSums.apply(table, *map(torch.cat, (pixels, weights, sizes)))
    found = sums.view(-1, *size, channels)[torch.argsort(order)]
    return found.permute(0, 3, 1, 2)


def _samples(
    start: Tensor, bin_size: Tensor, bins: int, samples: int, length: int
) -> tuple[Tensor, Tensor]:
    """Return the pixels along an axis that bins are made of, and their weights.

    Both are (regions, bins, pixels of a bin); the weights of a bin add up to 1, to less
    where samples are outside, and to 0 where there are none.
    """
    if samples < 1:
        shape = (len(start), bins, 1)
        return start.new_zeros(shape, dtype=torch.int32), start.new_zeros(shape)
    steps = (torch.arange(samples) + 0.5) / samples
    begins = start[:, None] + torch.arange(bins) * bin_size[:, None]
    at = begins[:, :, None] + steps * bin_size[:, None, None]
    inside = (at >= -1) & (at <= length)
    at = at.clamp(0, length - 1)
    low = at.floor()
    upper = at - low
    linear = torch.stack((1 - upper, upper), -1) * inside[..., None] / samples
    low = low.int()
    pixels = torch.stack((low, (low + 1).clamp(max=length - 1)), -1).flatten(2)
    # Neighbouring samples share pixels: each of these once, with all of its weight.
    first = pixels[:, :, :1]
    places = (pixels - first).long()
    weights = linear.new_zeros((*low.shape[:2], int(places.max()) + 1))
    weights.scatter_add_(2, places, linear.flatten(2))
    nearby = torch.arange(weights.shape[2], dtype=torch.int32)
    return (first + nearby).clamp(max=length - 1), weights


class _WeightedSums(torch.autograd.Function):
    """Sums of weighted rows of a table, and the gradient of the table.

    Arguments: table (rows, channels); the rows of all sums, one sum after the other;
    their weights; the number of rows of each sum. The gradient is sums again, with the
    two sides exchanged; torch's own one adds row by row.
    """

    @staticmethod
    def forward(ctx, table: Tensor, rows: Tensor, weights: Tensor, sizes: Tensor):
        ctx.save_for_backward(rows, weights, sizes)
        ctx.table_rows = len(table)
        return _sum_rows(table, rows, weights, sizes)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        rows, weights, sizes = ctx.saved_tensors
        order = torch.argsort(rows, stable=True)
        sums = torch.arange(len(sizes), dtype=rows.dtype).repeat_interleave(sizes)
        uses = torch.bincount(rows, minlength=ctx.table_rows)
        found = _sum_rows(gradient.contiguous(), sums[order], weights[order], uses)
        return found, None, None, None


def _sum_rows(table: Tensor, rows: Tensor, weights: Tensor, sizes: Tensor) -> Tensor:
    starts = (sizes.cumsum(0) - sizes).to(rows.dtype)
    return embedding_bag(rows, table, starts, mode="sum", per_sample_weights=weights)


class RoIAlign(nn.Module):
    """Takes the place of a layer of mmcv, which must take means (``pool_mode``)."""

    def __init__(self, layer: mmcv.ops.RoIAlign) -> None:
        super().__init__()
        self.output_size = layer.output_size
        self.spatial_scale = layer.spatial_scale
        self.sampling_ratio = layer.sampling_ratio
        self.aligned = layer.aligned

    def forward(self, features: Tensor, rois: Tensor) -> Tensor:
        """Return the regions (n, channels, *output_size) of ``rois`` (n, 5)."""
        return roi_align(
            features,
            rois,
            self.output_size,
            self.spatial_scale,
            sampling_ratio=self.sampling_ratio,
            aligned=self.aligned,
        )


def use_fast_roi_align(model: nn.Module) -> None:
    """Replace the layers of mmcv in a model by those of this module, in place."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if (
                type(layer) is mmcv.ops.RoIAlign
                and layer.pool_mode == "avg"
                and not layer.use_torchvision
            ):
                setattr(parent, name, RoIAlign(layer))
