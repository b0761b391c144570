import contextlib
import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The commands of this very environment come first, however snakemake was started.
os.environ.update(
    PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
)
# The package of this very checkout, wherever Snakemake runs; of it only what needs no
# more than Snakemake has.
sys.path.insert(0, str((Path(workflow.current_basedir) / "../scripts").resolve()))

from mmdet_flow.errors import FlowError
from mmdet_flow.scrub import one_line
from mmdet_flow.workflow import changes, files, options
from mmdet_flow.workflow.config import (
    EXAMPLE,
    prepare,
    require_folders,
    round_trip_port,
    served_experiment,
)
from mmdet_flow.workflow.config_files import require_readable
from mmdet_flow.workflow.jobs import Jobs, option_of_input
from mmdet_flow.workflow.places import Places
from mmdet_flow.workflow.plan import tell_plan
from mmdet_flow.workflow.sharing import find_converted, names_pattern


def stopping(function, *values):
    """Call a function of the package; its error stops the workflow with one line."""
    try:
        return function(*values)
    except FlowError as error:
        raise WorkflowError(one_line(str(error))) from None


if workflow.is_main_process:
    given = filter(Path.is_file, workflow.overwrite_configfiles)  # pipes are empty now
    stopping(require_readable, [Path("config.yaml"), *given])


configfile: "config.yaml"


CAMPAIGNS = stopping(prepare, config)
CONVERTED = find_converted(config["experiments"])
PLACES = Places(
    *(workflow.pathvars.items[name] for name in ("results", "logs")),
    workflow.storage_settings.default_storage_provider,
    workflow.storage_settings.default_storage_prefix,
)
if workflow.is_main_process:
    stopping(require_folders, config, PLACES, storage)
jobs = Jobs(config, PLACES, are_compared=workflow.is_main_process)


onstart:
    tell_plan(workflow.dag, workflow.logger_manager.get_log_handlers())


wildcard_constraints:
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    other=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    shard=r"\d+",


def unless_compared(path):
    """Return a path whose time counts where changes are not found by digest."""
    return ancient(path) if PLACES.is_compared(path) else path


def data_folder(path):
    """Return a folder of the config as an input, which is fetched if it is a URL."""
    return unless_compared(storage(path) if "://" in path else path)


def single_file(path):
    """Return a file of the config as an input: fetched if it is a URL, or nothing."""
    if not path:
        return []
    return storage(path) if "://" in path else local(path)


def first_weights(wildcards):
    """Return the weights that a training starts from, if any.

    Published ones are told apart by their names, whenever they were fetched.
    """
    found = files.first_weights(config, wildcards.experiment)
    is_published = config["experiments"][wildcards.experiment]["model"]["pretrained"]
    return list(map(ancient, found)) if is_published else found


def images_to_predict(wildcards):
    """Return the folder to predict: the user's, or that of the data set."""
    folder = config["experiments"][wildcards.experiment]["predict"]["images"]
    own = f"<results>/{wildcards.experiment}/dataset/images"
    return data_folder(folder) if folder else own


def converted_file(file):
    """Return this file of the experiment that converts the data of another."""
    return lambda wildcards: f"<results>/{CONVERTED[wildcards.experiment]}/{file}"


def shards_of(name):
    """Return the numbers of the shards, once the images are listed."""
    lists = checkpoints.list_images.get(experiment=name).output[0]
    # Opening has Snakemake fetch what is on remote storage only; it is a folder.
    with contextlib.suppress(IsADirectoryError), lists.open():
        pass
    return sorted(int(path.stem) for path in Path(lists).glob("*.txt"))


def shard_files(*names):
    """Return a function for files of the shards, which Snakemake asks when it may."""
    return lambda wildcards: files.of_shards(
        wildcards.experiment, names, shards_of(wildcards.experiment)
    )


def shards_of_each(*names):
    """Return such a function for each experiment: none keeps the others waiting."""

    def of_one(name):
        return lambda wildcards: files.of_shards(name, names, shards_of(name))

    return [of_one(name) for name in config["experiments"]]


def recorded_files(wildcards):
    """Return all that the record, the pages and the tracker read of an experiment."""
    shards = shards_of(wildcards.experiment)
    return files.recorded(config, wildcards.experiment, shards)
