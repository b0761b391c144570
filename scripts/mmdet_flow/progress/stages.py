"""The stage that each rule is of, and what its jobs do, in words.

This is the one place with these names; a test compares it with the rules.
"""

from typing import NamedTuple


class Step(NamedTuple):
    """``stage`` is one of STAGES; ``what`` says what a job does, as an order."""

    stage: str
    what: str


STAGES = (
    *("data", "config", "train", "evaluate", "predict", "handover"),
    *("compare", "serve"),
)
"""In the order in which an experiment goes through them."""

STEPS = {
    "make_example": Step("data", "draw the embedded example"),
    "convert_annotations": Step("data", "check and convert the annotations"),
    "reuse_dataset": Step("data", "reuse the data set of another experiment"),
    "split_dataset": Step("data", "divide the images into splits"),
    "cut_tiles": Step("data", "cut large images into tiles"),
    "describe_dataset": Step("data", "describe the data set"),
    "export_config": Step("config", "export the config of the base model"),
    "patch_config": Step("config", "fit the config to data and machine"),
    "fetch_weights": Step("config", "fetch published weights"),
    "train_model": Step("train", "train the model"),
    "deploy_model": Step("train", "make the form that needs no torch"),
    "choose_thresholds": Step("evaluate", "choose score thresholds"),
    "evaluate_model": Step("evaluate", "measure the model on the test split"),
    "build_gallery": Step("evaluate", "build the gallery"),
    "list_images": Step("predict", "list the images to predict"),
    "predict_images": Step("predict", "predict"),
    "gather_predictions": Step("predict", "join the tables of all shards"),
    "draw_predictions": Step("predict", "draw predictions"),
    "judge_predictions": Step("predict", "count the images that failed"),
    "write_model_card": Step("handover", "write the model card"),
    "pack_model": Step("handover", "pack the model"),
    "summarize": Step("handover", "write the summary"),
    "write_record": Step("handover", "write the record of the run"),
    "track_run": Step("handover", "export the record to the tracker"),
    "build_pages": Step("handover", "build the pages of the report"),
    "rank_experiments": Step("compare", "rank all experiments"),
    "compare_rounds": Step("compare", "compare the rounds of labelling"),
    "draw_learning_curve": Step("compare", "draw the learning curve"),
    "compare_experiments": Step("compare", "compare two experiments"),
    "serve": Step("serve", "serve the model over Redis"),
    "answer_round_trip": Step("serve", "serve while images are sent"),
    "round_trip": Step("serve", "send the images over Redis"),
}
"""The step of each rule. ``all`` makes nothing and has none."""

RANKS = {rule: rank for rank, rule in enumerate(STEPS)}

TARGET = "all"
TRAINING, SUMMARY = "train_model", "summarize"
OTHER = "other"

CHANGING = {
    "convert_annotations": "annotations or images",
    "split_dataset": "groups",
    "export_config": "files of the base config",
    "train_model": "first weights",
    "list_images": "images to predict",
    "predict_images": "images to predict",
}
"""Files of the user that jobs of a rule are repeated for when these change."""


def step_of(rule: str) -> Step:
    """Return the step of a rule; one that the user added is called by its name."""
    return STEPS.get(rule, Step(OTHER, rule.replace("_", " ")))


def rank_of(rule: str) -> int:
    """Return where a rule comes in an experiment: its jobs wait for some before it."""
    return RANKS.get(rule, len(RANKS))


def in_order(stage: str) -> int:
    """Return where a stage comes in a list of all."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)
