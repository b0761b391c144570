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
from mmdet_flow.workflow.config import EXAMPLE, prepare, require_folders
from mmdet_flow.workflow.config import served_experiment
from mmdet_flow.workflow.config_files import require_readable
from mmdet_flow.workflow.places import Places
from mmdet_flow.workflow.sharing import find_converted, names_pattern


def stopping(function, *values):
    """Call a function of the package; an error of it stops the workflow with one line."""
    try:
        return function(*values)
    except FlowError as error:
        raise WorkflowError(one_line(str(error))) from None


if workflow.is_main_process:
    given = filter(Path.is_file, workflow.overwrite_configfiles)  # Snakemake read pipes
    stopping(require_readable, [Path("config.yaml"), *given])


configfile: "config.yaml"


CAMPAIGN_OF = stopping(prepare, config)
CONVERTED = find_converted(config["experiments"])
PLACES = Places(
    *(workflow.pathvars.items[name] for name in ("results", "logs")),
    workflow.storage_settings.default_storage_provider,
    workflow.storage_settings.default_storage_prefix,
)


wildcard_constraints:
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    other=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    shard=r"\d+",


def of_experiment(function):
    """Return a function that is asked with the config of a job's experiment."""
    return lambda wildcards: function(config["experiments"][wildcards.experiment])


def options_of(rule):
    """Return a function for params: the options that a rule's command has of the config."""
    return of_experiment(lambda experiment: options.of_rule(rule, experiment))


def option_of_input(key):
    """Return a function for params: the option of an input, or nothing if it is none."""
    return lambda wildcards, input: options.option(key, input.get(key) or None)


def digest_of(function, *keys):
    """Return a function for params: what tells inputs of a job apart, by ``changes``.

    Snakemake compares it with that of the last run. It does so in the main process
    alone, so jobs on other nodes need not look. ``keys`` are wildcards to tell, too.
    """
    return lambda wildcards: (
        function(
            config["experiments"][wildcards.experiment],
            PLACES,
            *(wildcards[key] for key in keys),
        )
        if workflow.is_main_process
        else ""
    )


def files_of(function):
    """Return a function for inputs: those of a job's experiment, by ``files``."""
    return lambda wildcards: function(config, wildcards.experiment)


def unless_compared(path):
    """Return a path whose time counts where changes are not found by digest."""
    return ancient(path) if PLACES.is_compared(path) else path


def stored(path):
    """Return a path of the config as an input that Snakemake fetches if it is a URL."""
    return unless_compared(storage(path) if "://" in path else path)


if workflow.is_main_process:
    stopping(
        require_folders,
        config["experiments"],
        lambda folder: PLACES.exists(folder, storage),
    )


def data_folder(key):
    """Return the folder of data of this name, when the job is known."""
    return of_experiment(lambda experiment: stored(experiment["data"][key]))


def images_to_predict(wildcards):
    """Return the folder to predict: the user's, or that of the data set."""
    folder = config["experiments"][wildcards.experiment]["predict"]["images"]
    if folder:
        return stored(folder)
    return f"<results>/{wildcards.experiment}/dataset/images"


def shards_of(name):
    """Return the numbers of the shards, once the images are listed."""
    lists = checkpoints.list_images.get(experiment=name).output[0]
    # Opening has Snakemake fetch what is on remote storage only; it is a folder.
    with contextlib.suppress(IsADirectoryError), lists.open():
        pass
    return sorted(int(path.stem) for path in Path(lists).glob("*.txt"))


def shard_files(*names):
    """Return the files of these names of all shards, when the job is known."""
    return lambda wildcards: files.of_shards(
        wildcards.experiment, names, shards_of(wildcards.experiment)
    )


def recorded_files(wildcards):
    """Return all that the record, the pages and the tracker read of an experiment."""
    shards = shards_of(wildcards.experiment)
    return files.recorded(config, wildcards.experiment, shards)


def shards_of_each(*names):
    """Return functions for files of the shards, one for each experiment.

    What is not known of one experiment yet keeps no other waiting.
    """

    def of_one(name):
        return lambda wildcards: files.of_shards(name, names, shards_of(name))

    return [of_one(name) for name in config["experiments"]]
