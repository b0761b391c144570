checkpoint list_images:
    """Divide the images to predict into lists of a few thousand."""
    input:
        images=images_to_predict,
        image_list=list_to_predict,
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
        size=option("predict", "images_per_shard"),
        image_list=lambda wildcards, input: (
            f"--image_list {input.image_list}" if input.image_list else ""
        ),
    shell:
        "mmdet_shard {input.images:q} {params.image_list} --size {params.size}"
        " --output {output} 2> {log}"


rule predict_images:
    """Predict for one shard of the images."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        images=images_to_predict,
        lists="<results>/{experiment}/predictions/lists",
        thresholds=thresholds_to_use,
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
        score=score_options,
        format=option("predict", "format"),
        options=option("predict", "options"),
    shell:
        "mmdet_predict --checkpoint {input.checkpoint} --prediction_in {input.images:q}"
        " --keep_input --prediction_out {output.opex}"
        " --image_list {input.lists}/{wildcards.shard}.txt {params.score}"
        " --prediction_format {params.format} --objects_csv {output.objects}"
        " --images_csv {output.images} --manifest {output.manifest}"
        " --speed {output.speed} --threads {threads} {params.options} 2> {log}"


rule gather_predictions:
    """Join the tables of all shards."""
    input:
        objects=shard_files("objects.csv"),
        images=shard_files("images.csv"),
        manifests=shard_files("manifest.csv"),
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
        "mmdet_gather {params.folder} --lists {input.lists} --objects {output.objects}"
        " --images {output.images} --manifest {output.manifest} 2> {log}"
