"""The score threshold where there are no images to choose one by, and none is given."""

DEFAULT_SCORE = 0.3
