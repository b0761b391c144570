"""The text of a config, with comments that say what was found and when to change it."""

import textwrap
from collections.abc import Mapping

from mmdet_flow.words import lasting

WIDTH = 88

CONFIG = """\
{found}
# Each key is described in schemas/config.schema.yaml; what is left out has the default
# that stands there. `mmdet-flow run -n` shows what would be done, `mmdet-flow run` does
# it.

experiments:
  # The name is part of every path: results/{name}/...
  {name}:
    data:
      format: {format}
      annotations: {annotations}
      images: {images}
{glob}{labels}\
{counts}
      # The numbers of the labels follow this order.
      classes: {classes}
{policy}{findings}
{splits}
    splits:
      train: {train}
      val: {val}
      test: {test}

{tiles}\
    model:
      # small-boxes, small-masks, which learns outlines and needs polygons, or zoo, the
      # recipe of the model zoo, for large data and days.
      preset: {preset}
      # {side} in pixels: smaller is faster, larger sees smaller objects.
      image_size: {image_size}
{estimate}
      epochs: {epochs}
      # Validate every so many epochs; the best validated checkpoint is published.
      val_interval: {val_interval}
{hours}
    predict:
      # A folder of images; leave it out for the images of the test split.
      # images: data/new
      # Objects with a lower score are left out; auto takes the best score of each
      # class, by the validation split. A number, such as 0.3, is for all classes.
      score: auto
"""

GLOB = """\
      # Which files of the folder are annotations.
      glob: {}
"""
LABELS = """\
      # The file with the names of the classes.
      labels: {}
"""
POLICY = """\
      # What to do about findings; docs/data.md has all.
      policy: {}
"""
HOURS = """\
      # {}, in hours: a training that is late ends its schedule early; take this
      # out to give it time.
      hours: {}
"""
TILES = """\
{cost}
    tiles:
{keys}

"""
FINDINGS = "A run stops at these; fix them, or say in the policy what is done:"

COMMENTS = {"found": 0, "counts": 6, "splits": 4, "estimate": 6}
"""Values that become comments, and how far they are moved in."""


def config_text(
    values: Mapping[str, object],
    glob: str | None,
    labels: str | None,
    policy: Mapping[str, str],
    findings: str,
    tiles: Mapping[str, object],
    cost: str,
    hours: float | None = None,
) -> str:
    """Fill in the config; what is left out has no line."""
    filled = {
        key: comment(str(value), COMMENTS[key]) if key in COMMENTS else in_yaml(value)
        for key, value in values.items()
    }
    return CONFIG.format(
        **filled,
        glob=GLOB.format(in_yaml(glob)) if glob else "",
        labels=LABELS.format(in_yaml(labels)) if labels else "",
        policy=POLICY.format(in_yaml(dict(policy))) if policy else "",
        hours=_hours(hours) if hours else "",
        tiles=_tiles(tiles, cost) if tiles else "",
        side="The side of a tile" if tiles else "The longer side",
        findings=f"{comment(f'{FINDINGS} {findings}.', 6)}\n" if findings else "",
    )


def _tiles(tiles: Mapping[str, object], cost: str) -> str:
    """Return the section of the tiles, with what they cost."""
    said = f"Images are divided into tiles, docs/tiles.md: {cost}."
    keys = (f"      {key}: {in_yaml(value)}" for key, value in tiles.items())
    return TILES.format(cost=comment(said, 4), keys="\n".join(keys))


def _hours(hours: float) -> str:
    """Return the time for the training, with as many digits as a person reads."""
    value = float(f"{hours:.4g}")
    return HOURS.format(lasting(value), in_yaml(value))


def in_yaml(value: object) -> str:
    """Return a value as YAML on one line, quoted where it has to be."""
    import yaml

    text = yaml.safe_dump(
        value,
        default_flow_style=True,
        width=float("inf"),
        allow_unicode=True,
        sort_keys=False,
    )
    return text.removesuffix("...\n").strip()


def comment(text: str, indent: int) -> str:
    """Return a comment of as many lines as it takes."""
    prefix = f"{' ' * indent}# "
    return textwrap.fill(text, WIDTH, initial_indent=prefix, subsequent_indent=prefix)
