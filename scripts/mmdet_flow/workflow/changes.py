"""What tells two runs of a job apart, though all paths are the same: digests of inputs.

Functions take the config of one experiment and the places; Snakemake compares what they
return with that of the last run.
"""

from pathlib import Path

from mmdet_flow.workflow import digest, options
from mmdet_flow.workflow.places import Places


def of_data(experiment: dict, places: Places) -> list[str]:
    """Return what tells the data of two conversions apart."""
    data, found = experiment["data"], []
    for key, look in (
        ("annotations", digest.of_annotations),
        ("images", digest.of_images),
    ):
        if places.is_compared(data[key]):
            found.append(look(Path(data[key]), (places.results, places.logs)))
    labels = [Path(data["labels"])] if data["labels"] else []
    return [*found, digest.of_files(*labels, *options.split_lists(experiment))]


def of_groups(experiment: dict, places: Places) -> str:
    """Return what tells the groups of two divisions apart."""
    return digest.of_files(experiment["splits"]["group_file"])


def of_base(experiment: dict, places: Places) -> str:
    """Return what tells two config files apart; nothing for one of the model zoo."""
    base = Path(experiment["model"]["base"])
    return digest.of_config(base) if base.is_file() else ""


def of_weights(experiment: dict, places: Places) -> str:
    """Return what tells the files of first weights apart."""
    return digest.of_files(experiment["model"]["load_from"])


def of_names(experiment: dict, places: Places) -> str:
    """Return what tells two folders of the user to predict apart, as lists."""
    folder = experiment["predict"]["images"]
    return (
        digest.of_names(Path(folder)) if folder and places.is_compared(folder) else ""
    )


def of_shard(
    experiment: dict, places: Places, name: str, shard: str
) -> str | list[str]:
    """Return what tells the images of a shard apart, and files that options name."""
    predict = experiment["predict"]
    found = digest.of_files(*options.files_among(options.words_of(predict["options"])))
    results = Path(places.results) / name
    folder = predict["images"] or str(results / "dataset" / "images")
    if not places.is_compared(folder):
        return found
    listed = results / "predictions" / "lists" / f"{shard}.txt"
    if not listed.is_file():
        return found  # not listed yet; Snakemake asks again before the job
    return [found, digest.of_listed(Path(folder), listed)]
