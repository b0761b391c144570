import math
import os

# What a job asks a cluster for, from the size of its work; nothing of it limits a run on
# one machine. Times are for small CPU nodes and slow models, so they are generous: a job
# that ends early costs nothing, one that is cut off starts again.

# So many attempts ask for more each time; later ones, as of a chained training, for this.
ATTEMPTS = 3
CHAINED_JOBS = 100  # of one training, each as long as max_hours
GRACE_MINUTES = 30  # after max_hours: to start, to end a validation, and to save
ASSUMED_IMAGES = 1000  # in a list or a folder of which there is no copy here yet
LARGE_IMAGE = 1333  # the longer side of a recipe that is left as it is

# On one machine what --cores gives; workflow.cores fails where only --jobs is given, as
# on a cluster, whose profile sets the threads of each rule.
THREADS = workflow.resource_settings.cores or 2


def growing(amount):
    """Return a resource that is ``amount``, and more of it with each attempt."""
    return lambda wildcards, attempt: math.ceil(amount * min(attempt, ATTEMPTS))


def scale(wildcards):
    """Return the area of an image in the network, in images of 320 by 320 pixels."""
    size = config["experiments"][wildcards.experiment]["model"]["image_size"]
    return ((size or LARGE_IMAGE) / 320) ** 2


def minutes_for(images, attempt):
    """Return the minutes for so many images of 320 by 320, at one a second."""
    return math.ceil((30 + images / 60) * min(attempt, ATTEMPTS))


def count_images(place):
    """Return the number of images in a list or a folder.

    What is on remote storage is fetched after a job's time is asked for; a number is
    assumed then. Elsewhere a missing file has Snakemake ask again when it is made.
    """
    path = Path(place)
    if place.is_storage and not path.exists():
        return ASSUMED_IMAGES
    if path.is_dir():
        return sum(len(files) for *_, files in os.walk(path))
    with open(place) as lines:
        return sum(1 for _ in lines)


def conversion_minutes(wildcards, input, attempt):
    """Return the minutes to check all images; a network needs a hundred times as long."""
    return minutes_for(count_images(input.images) / 100, attempt)


def training_retries():
    """Return how often a training is started again: often where its time is limited.

    None leaves it to --retries. Inside a job that is 0, so that each start is a job.
    """
    if workflow.remote_exec:
        return None
    models = [experiment["model"] for experiment in config["experiments"].values()]
    limited = any(model["max_hours"] is not None for model in models)
    return CHAINED_JOBS if limited else None


def training_nodes(wildcards):
    """Return the number of nodes that train together."""
    return config["experiments"][wildcards.experiment]["model"]["nodes"]


def training_mpi(wildcards):
    """Return what starts a process on each node; None for the usual single process."""
    return "srun" if training_nodes(wildcards) > 1 else None


def training_memory(wildcards, attempt):
    """Return the MB on a node: of the framework, and of a batch with its gradients."""
    batch = config["experiments"][wildcards.experiment]["model"]["batch_size"]
    return growing(2000 + 500 * batch * scale(wildcards))(wildcards, attempt)


def training_minutes(wildcards, input, attempt):
    """Return max_hours with what comes after, or minutes for all epochs."""
    model = config["experiments"][wildcards.experiment]["model"]
    if model["max_hours"] is not None:
        return math.ceil(60 * model["max_hours"]) + GRACE_MINUTES
    images = count_images(input.listed) * model["epochs"] / model["nodes"]
    return minutes_for(images * scale(wildcards), attempt)


def evaluation_minutes(wildcards, input, attempt):
    """Return the minutes for the images of a split."""
    return minutes_for(count_images(input.listed) * scale(wildcards), attempt)


def prediction_memory(wildcards, threads, attempt):
    """Return the MB of the framework, and of an image in each thread."""
    return growing(3000 + 300 * threads * scale(wildcards))(wildcards, attempt)


def prediction_minutes(wildcards, attempt):
    """Return the minutes for a full shard."""
    size = config["experiments"][wildcards.experiment]["predict"]["images_per_shard"]
    return minutes_for(size * scale(wildcards), attempt)
