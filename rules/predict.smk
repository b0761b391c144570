checkpoint list_images:
    """Divide the images to predict into lists of a few thousand."""
    input:
        images=images_to_predict,
        image_list=jobs.of_config(files.list_to_predict),
    output:
        directory("<results>/{experiment}/predictions/lists"),
    log:
        "<results>/{experiment}/logs/list_images.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        options=jobs.options("list_images"),
        names=jobs.changes(changes.of_names),
        image_list=option_of_input("image_list"),
        folder=subpath(output[0], parent=True),
    # What shards of other lists have begun is of no use any more.
    shell:
        "rm -rf {params.folder:q}/shard-*/work"
        " && mmdet-flow step shard {params.image_list:q} {params.options:q}"
        " --output={output:q} -- {input.images:q} 2> {log:q}"


rule predict_images:
    """Predict for one shard of the images."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        form="<results>/{experiment}/model/checkpoint.deploy.zip",
        images=images_to_predict,
        # A shard looks at its own list alone.
        lists=lambda wildcards: unless_compared(
            f"<results>/{wildcards.experiment}/predictions/lists"
        ),
        thresholds=jobs.of_config(files.thresholds_to_use),
    output:
        opex=directory("<results>/{experiment}/predictions/shard-{shard}/opex"),
        objects="<results>/{experiment}/predictions/shard-{shard}/objects.csv",
        images="<results>/{experiment}/predictions/shard-{shard}/images.csv",
        manifest="<results>/{experiment}/predictions/shard-{shard}/manifest.csv",
        speed="<results>/{experiment}/benchmarks/predict_images-{shard}.json",
    log:
        "<results>/{experiment}/logs/predict_images-{shard}.log",
    benchmark:
        "<results>/{experiment}/benchmarks/predict_images-{shard}.tsv"
    conda:
        "../envs/main.yaml"
    threads: THREADS
    resources:
        mem_mb=prediction_memory,
        runtime=prediction_minutes,
    params:
        options=jobs.of_experiment(options.prediction),
        thresholds=option_of_input("thresholds"),
        images=jobs.changes(changes.of_shard, "experiment", "shard"),
        work=subpath(output.opex, parent=True),
    # Snakemake deletes what a job that ends early has made; so images are predicted in a
    # work folder, in which the next try goes on. Images that fail are rows of the
    # manifest: however many they are; judge_predictions
    # counts them when all is made.
    shell:
        "mmdet-flow predict --checkpoint={input.checkpoint:q} --prediction_in={input.images:q}"
        " --keep_input --prediction_out={params.work:q}/work"
        " --image_list={input.lists:q}/{wildcards.shard}.txt"
        " --objects_csv={output.objects:q} --images_csv={output.images:q}"
        " --manifest={output.manifest:q} --speed={output.speed:q} --threads={threads}"
        " {params.thresholds:q} {params.options:q} --max_failures=999999999"
        " 2> {log:q} && mv -T {params.work:q}/work {output.opex:q}"


rule gather_predictions:
    """Join the tables of all shards."""
    input:
        objects=shard_files("predictions/shard-{shard}/objects.csv"),
        images=shard_files("predictions/shard-{shard}/images.csv"),
        manifests=shard_files("predictions/shard-{shard}/manifest.csv"),
        lists="<results>/{experiment}/predictions/lists",
    output:
        objects="<results>/{experiment}/predictions/objects.csv",
        images="<results>/{experiment}/predictions/images.csv",
        manifest="<results>/{experiment}/predictions/manifest.csv",
    log:
        "<results>/{experiment}/logs/gather_predictions.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        folder=subpath(output.objects, parent=True),
    # The folder stands for the shards, of which a command line cannot name thousands.
    shell:
        "mmdet-flow step gather {params.folder:q} --lists={input.lists:q}"
        " --objects={output.objects:q} --images={output.images:q}"
        " --manifest={output.manifest:q} 2> {log:q}"


rule judge_predictions:
    """Count the images that failed, when all is made; too many end the run."""
    input:
        files.last(config, files.of_campaigns(CAMPAIGNS)),
        manifest="<results>/{experiment}/predictions/manifest.csv",
    output:
        "<results>/{experiment}/failures.txt",
    log:
        "<results>/{experiment}/logs/judge_predictions.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        options=jobs.options("judge_predictions"),
        folder=subpath(input.manifest, parent=True),
    shell:
        "mmdet-flow step gather {params.folder:q} {params.options:q} > {output:q} 2> {log:q}"
