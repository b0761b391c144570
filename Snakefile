from snakemake.utils import min_version

min_version("9.19")


report: "report/workflow.rst"


pathvars:
    results="results",


# Reads config.yaml.
include: "rules/common.smk"


# For --sdm apptainer alone; docs/container.md.
container: config["container"]


include: "rules/resources.smk"
include: "rules/dataset.smk"
include: "rules/model.smk"
include: "rules/evaluate.smk"
include: "rules/predict.smk"
include: "rules/record.smk"
include: "rules/handover.smk"
include: "rules/compare.smk"
include: "rules/serve.smk"


localrules:
    all,


rule all:
    """Make everything for every experiment of the config."""
    default_target: True
    input:
        files.of_stages(config, files.of_campaigns(CAMPAIGNS)),
        *shards_of_each("predictions/shard-{shard}/images.csv"),
