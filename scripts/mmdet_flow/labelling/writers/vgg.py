"""VGG Image Annotator: one project of all images, for version 2."""

from collections.abc import Iterator, Sequence

from mmdet_flow.dataset.coco_object import whole_if_so
from mmdet_flow.dataset.predictions import PredictedImage, PredictedObject
from mmdet_flow.dataset.readers.vgg import LABEL, POINTS, SIDES
from mmdet_flow.files import json_text
from mmdet_flow.labelling.writers.writer import AnnotationWriter, Task, Written

FORMAT = "2.0.10"
"""Of the project file, which is that of all versions 2."""

IMAGES = "images"

INTERFACE = {
    "annotation_editor_height": 25,
    "annotation_editor_fontsize": 0.8,
    "leftsidebar_width": 18,
    "image_grid": {
        **{"img_height": 80, "rshape_fill": "none", "rshape_fill_opacity": 0.3},
        **{"rshape_stroke": "yellow", "rshape_stroke_width": 2},
        **{"show_region_shape": True, "show_image_policy": "all"},
    },
    "image": {
        **{"region_label": LABEL, "region_color": LABEL},
        **{"region_label_font": "10px Sans"},
        "on_image_annotation_editor_placement": "NEAR_REGION",
    },
}
"""How the annotator looks; it opens no project without it."""


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield the project; the annotator looks for the images beside its own page."""
    entries = {f"{one.name}{_bytes(one)}": _entry(one) for one in images}
    options = dict.fromkeys(task.classes, "")
    score = {"type": "text", "description": "of the model", "default_value": ""}
    core = {"buffer_size": 18, "filepath": {}, "default_filepath": f"{IMAGES}/"}
    content = {
        "_via_settings": {
            "ui": INTERFACE,
            "core": core,
            "project": {"name": "predictions"},
        },
        "_via_img_metadata": entries,
        "_via_attributes": {
            "region": {
                LABEL: {
                    **{"type": "dropdown", "description": "", "options": options},
                    "default_options": {},
                },
                "score": score,
            },
            "file": {},
        },
        "_via_data_format_version": FORMAT,
        "_via_image_id_list": list(entries),
    }
    yield "project.json", json_text(content)


def _bytes(one: PredictedImage) -> int:
    return one.image.stat().st_size


def _entry(one: PredictedImage) -> dict:
    return {
        "filename": one.name,
        "size": _bytes(one),
        "regions": [_region(item) for item in one.objects],
        "file_attributes": {},
    }


def _region(item: PredictedObject) -> dict:
    shape = {"name": "rect"} | _numbers(SIDES, item.bbox)
    if item.polygons:
        values = list(map(whole_if_so, item.polygons[0]))
        both = dict(zip(POINTS, (values[::2], values[1::2]), strict=True))
        shape = {"name": "polygon"} | both
    score = {} if item.score is None else {"score": str(item.score)}
    return {"shape_attributes": shape, "region_attributes": {LABEL: item.label} | score}


def _numbers(keys: Sequence[str], values: Sequence[float]) -> dict:
    return dict(zip(keys, map(whole_if_so, values), strict=True))


WRITER = AnnotationWriter(write, IMAGES)
