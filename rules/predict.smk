rule predict_images:
    """Predict for one shard of the images."""
    input:
        unpack(predict_inputs),
    output:
        opex=directory("<results>/{experiment}/predictions/shard-{shard}/opex"),
        objects="<results>/{experiment}/predictions/shard-{shard}/objects.csv",
        images="<results>/{experiment}/predictions/shard-{shard}/images.csv",
    log:
        "<results>/{experiment}/logs/predict_images-{shard}.log",
    conda:
        "../envs/main.yaml"
    threads: workflow.cores or 2
    params:
        score=option("predict", "score"),
        format=option("predict", "format"),
        options=option("predict", "options"),
        shards=option("predict", "shards"),
        image_list=lambda wildcards, input: (
            f"--image_list {input.image_list}" if input.get("image_list") else ""
        ),
    shell:
        "mmdet_predict --checkpoint {input.checkpoint} --prediction_in {input.images:q}"
        " --keep_input --prediction_out {output.opex} {params.image_list}"
        " --shard {wildcards.shard}/{params.shards} --score {params.score}"
        " --prediction_format {params.format} --objects_csv {output.objects}"
        " --images_csv {output.images} --threads {threads} {params.options} 2> {log}"


rule gather_predictions:
    """Join the tables of all shards."""
    input:
        objects=shard_files("objects.csv"),
        images=shard_files("images.csv"),
    output:
        objects="<results>/{experiment}/predictions/objects.csv",
        images="<results>/{experiment}/predictions/images.csv",
    log:
        "<results>/{experiment}/logs/gather_predictions.log",
    conda:
        "../envs/main.yaml"
    params:
        shards=lambda wildcards, input: [Path(path).parent for path in input.objects],
    shell:
        "mmdet_gather {params.shards} --objects {output.objects}"
        " --images {output.images} 2> {log}"
