"""The experiments of a campaign's rounds of labelling."""

from collections.abc import Iterator

from mmdet_flow import layout

KEPT = ("policy", "license", "min_objects")
"""Of the data of the base. All else says how annotations were read that are joined now;
the classes, and their order, are those of the joined data."""


def rounds_of(campaign: str, content: dict, base: dict) -> Iterator[tuple[str, dict]]:
    """Yield the experiment of each round, with its name, from round 1 up.

    ``content`` is the section of the campaign, and ``base`` the experiment that it
    starts from: round 0, if that has a name.
    """
    before = content["base"] if isinstance(content["base"], str) else None
    for number, folder in enumerate(content.get("rounds", ()), 1):
        name = f"{campaign}-round{number}"
        start = None if content.get("from_scratch") else before
        yield name, _experiment(base, folder.rstrip("/"), start)
        before = name


def _experiment(base: dict, folder: str, start: str | None) -> dict:
    """Return the base, trained on what label join wrote into a folder.

    ``start`` is the experiment whose model it starts from, None to start as the base.
    """
    data, splits = base.get("data", {}), base.get("splits", {})
    places = {
        "format": "coco",
        "annotations": f"{folder}/{layout.ANNOTATIONS.name}",
        "images": f"{folder}/{layout.IMAGES.name}",
    }
    lists = {
        name: f"{folder}/{layout.fill(layout.SPLIT_LIST, split=name)}"
        for name in layout.SPLITS
    }
    if isinstance(splits.get("val"), str) and splits["val"] == splits.get("test"):
        lists["val"] = lists["test"]  # which the base says, too
    seed = {"seed": splits["seed"]} if "seed" in splits else {}
    first = (
        {"start_from": start, "load_from": None, "pretrained": False} if start else {}
    )
    return base | {
        "data": {key: data[key] for key in KEPT if key in data} | places,
        "splits": lists | seed,
        "model": base.get("model", {}) | first,
    }
