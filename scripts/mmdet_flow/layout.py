"""What the files of an experiment are called, and where they are below its folder.

Nobody else spells these names, but for the rules, whose paths Snakemake must see; a
test holds both together. Commands that write into any folder take the last part,
``.name``. What stands in braces is told by whoever asks, as ``{shard}``.
"""

import re
from pathlib import PurePosixPath as Place

ANNOTATIONS = Place("dataset/annotations.json")
CLASSES = Place("dataset/classes.txt")
IMAGES = Place("dataset/images")
PIXELS = Place("dataset/images.csv")
REPORT = Place("dataset/report.json")
FINDINGS = Place("dataset/report.csv")

SPLITS = ("train", "val", "test")
SPLIT = Place("splits/{split}.json")
SPLIT_LIST = Place("splits/{split}.txt")

TILE_SPLIT = Place("tiles/{split}.json")
TILE_IMAGES = Place("tiles/images")
TILE_PIXELS = Place("tiles/images.csv")
TILE_REPORT = Place("tiles/report.json")
TILE_FINDINGS = Place("tiles/findings.csv")

DATA_CARD = Place("card/card.json")
DATA_CARD_PAGE = Place("card/card.html")
DATA_CARD_PLOTS = Place("card/card.png")
SAMPLES = Place("card/samples.png")

BASE_CONFIG = Place("model/base.py")
CONFIG = Place("model/config.py")
CHECKPOINT = Place("model/checkpoint.pth")
DEPLOYED = Place("model/checkpoint.deploy.zip")
CURVES = Place("model/curves.png")
MODEL_CARD = Place("model/card.md")
PACKAGE = Place("model/{experiment}.zip")

TRAINING = Place("training")
RECIPE = TRAINING / "recipe.json"
RECIPE_CONFIG = TRAINING / "recipe.py"
BEST_WEIGHTS = TRAINING / "best.pth"
ESTIMATE = TRAINING / "estimate.json"
PREPARING = TRAINING / "preparing.json"
TRAINING_LINES = TRAINING / "metrics.jsonl"
ITERATIONS = TRAINING / "training.csv"
VALIDATIONS = TRAINING / "validation.csv"

THRESHOLDS = Place("evaluation/thresholds.json")
METRICS = Place("evaluation/metrics.json")
METRICS_TABLE = Place("evaluation/metrics.csv")
DETECTIONS = Place("evaluation/detections.json")
SCORE_CURVES = Place("evaluation/curves.csv")
SCORE_CURVES_PLOT = Place("evaluation/curves.png")
CONFUSION = Place("evaluation/confusion.csv")
CONFUSION_PLOT = Place("evaluation/confusion.png")
ERRORS = Place("evaluation/errors.csv")
ERRORS_PLOT = Place("evaluation/errors.png")
CALIBRATION = Place("evaluation/calibration.csv")
CALIBRATION_PLOT = Place("evaluation/calibration.png")
IMAGE_RESULTS = Place("evaluation/images.csv")
LABEL_ERRORS = Place("evaluation/label_errors.csv")
GALLERY = Place("evaluation/gallery.html")
GALLERY_EXCERPT = Place("evaluation/worst.html")

LISTS = Place("predictions/lists")
SHARD = Place("predictions/shard-{shard}")
SHARD_OPEX = SHARD / "opex"
SHARD_OBJECTS = SHARD / "objects.csv"
SHARD_IMAGES = SHARD / "images.csv"
SHARD_MANIFEST = SHARD / "manifest.csv"
OBJECTS = Place("predictions/objects.csv")
PREDICTED_IMAGES = Place("predictions/images.csv")
MANIFEST = Place("predictions/manifest.csv")
OVERVIEW = Place("predictions/overview.png")
FAILURES = Place("failures.txt")

TRAINING_BENCHMARK = Place("benchmarks/train_model.tsv")
PREDICTION_BENCHMARK = Place("benchmarks/predict_images-{shard}.tsv")
BENCHMARK = Place("benchmarks/{job}.tsv")
PREDICTION_SPEED = Place("benchmarks/predict_images-{shard}.json")
JOBS = Place("benchmarks/jobs.json")

SUMMARY = Place("summary.txt")
RECORD = Place("run.json")
CRATE = Place("ro-crate-metadata.json")
SOURCES = Place("source")
PAGE = Place("pages/{page}.html")

COMPARISON = Place("compared/{other}/comparison.json")
COMPARISON_TEXT = Place("compared/{other}/comparison.md")
COMPARISON_PAGE = Place("compared/{other}/comparison.html")
COMPARED_METRICS = Place("compared/{other}/metrics.csv")
COMPARED_IMAGES = Place("compared/{other}/images.csv")

SERVICE = Place("serving/started")
ROUND_TRIP = Place("serving/round_trip.txt")

PLACES = tuple(place for place in vars().values() if type(place) is Place)
"""All of them."""


def fill(place: Place, **values: object) -> Place:
    """Return a place with these values instead of what stands in braces."""
    return Place(str(place).format(**values))


def pattern(place: Place) -> str:
    """Return a pattern for ``glob`` of all files that a place stands for."""
    return re.sub(r"{\w+}", "*", str(place))
