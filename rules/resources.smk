from mmdet_flow.workflow import resources as needed

# What each job asks a cluster for; the sums are in workflow/resources.py.

# On one machine what --cores gives; workflow.cores fails where only --jobs is given, as
# on a cluster, whose profile sets the threads of each rule.
THREADS = workflow.resource_settings.cores or 2


def growing(amount):
    """Return a resource that is ``amount``, and more of it with each attempt."""
    return lambda wildcards, attempt: needed.grown(amount, attempt)


def count_images(place):
    """Return the number of images in a list or a folder of the inputs.

    What is on remote storage is fetched after a job's time is asked for; a number is
    assumed then. Elsewhere a missing file has Snakemake ask again when it is made.
    """
    path = Path(place)
    if place.is_storage and not path.exists():
        return needed.ASSUMED_IMAGES
    return needed.count_images(path)


def conversion_minutes(wildcards, input, attempt):
    return needed.conversion_minutes(count_images(input.images), attempt)


def cutting_minutes(wildcards, input, attempt):
    return needed.cutting_minutes(count_images(input.images), attempt)


def training_retries():
    """Return how often a training is started again; None leaves it to --retries.

    Inside a job that is 0, so that each start is a job.
    """
    experiments = config["experiments"].values()
    return None if workflow.remote_exec else needed.training_retries(experiments)


def training_nodes(wildcards):
    return config["experiments"][wildcards.experiment]["model"]["nodes"]


def training_mpi(wildcards):
    """Return what starts a process on each node; None for the usual single process."""
    return "srun" if training_nodes(wildcards) > 1 else None


def training_memory(wildcards, attempt):
    return needed.training_memory(config["experiments"][wildcards.experiment], attempt)


def training_minutes(wildcards, input, attempt):
    experiment = config["experiments"][wildcards.experiment]
    # Not counted where nobody asks: the list may be on remote storage.
    limited = needed.training_hours(experiment) is not None
    images = 0 if limited else count_images(input.counted)
    return needed.training_minutes(experiment, images, attempt)


def evaluation_minutes(wildcards, input, attempt):
    experiment = config["experiments"][wildcards.experiment]
    return needed.evaluation_minutes(experiment, count_images(input.listed), attempt)


def prediction_memory(wildcards, threads, attempt):
    experiment = config["experiments"][wildcards.experiment]
    return needed.prediction_memory(experiment, threads, attempt)


def prediction_minutes(wildcards, attempt):
    return needed.prediction_minutes(
        config["experiments"][wildcards.experiment], attempt
    )


def deployment_minutes(wildcards, attempt):
    return needed.deployment_minutes(
        config["experiments"][wildcards.experiment], attempt
    )


def launch_on_nodes(wildcards, threads, resources):
    """Return what stands before a command that runs once on each node of the job."""
    mpi = resources.get("mpi", "")  # is not there for the usual single process
    return needed.launcher(mpi, resources.nodes, resources.tasks, threads)
