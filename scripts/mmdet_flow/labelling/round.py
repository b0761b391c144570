"""A round of labelling: what a model said of some images, before a person did.

Its folder holds what was exported as COCO, with scores, and the table that says which
image is which. The files for the tool are in a folder beside them, called like the
format, so that no tool takes the one for the other.
"""

from mmdet_flow import layout

PREDICTIONS = "predictions.json"
HASHES = layout.PIXELS.name
