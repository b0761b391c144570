rule export_config:
    """Export the config of the base model, expanded, from the model zoo."""
    output:
        "<results>/{experiment}/model/base.py",
    log:
        "<results>/{experiment}/logs/export_config.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        base=option("model", "base"),
    shell:
        "mmdet_config {params.base:q} --save-path {output} 2> {log}"


rule patch_config:
    """Fit the exported config to the data and the training."""
    input:
        config="<results>/{experiment}/model/base.py",
        train=branch(
            option("model", "train_on"),
            cases={
                "train": "<results>/{experiment}/splits/train.json",
                "trainval": "<results>/{experiment}/splits/trainval.json",
            },
        ),
        val=branch(
            option("model", "train_on"),
            cases={"train": "<results>/{experiment}/splits/val.json", "trainval": []},
        ),
        test="<results>/{experiment}/splits/test.json",
        images="<results>/{experiment}/dataset/images",
    output:
        "<results>/{experiment}/model/config.py",
    log:
        "<results>/{experiment}/logs/patch_config.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        epochs=option("model", "epochs"),
        batch_size=option("model", "batch_size"),
        augment=option("model", "augment"),
        val_interval=option("model", "val_interval"),
        keep_checkpoints=option("model", "keep_checkpoints"),
        seed=option("model", "seed"),
        nodes=option("model", "nodes"),
        val=lambda wildcards, input: ["--val", input.val] if input.val else [],
        optional=optional_patches,
        experiment=subpath(output[0], ancestor=2),
    shell:
        "mmdet_patch {input.config} --output {output} --train {input.train}"
        " {params.val} --test {input.test} --images {input.images}"
        " --epochs {params.epochs} --batch-size {params.batch_size}"
        " --augment {params.augment} --val-interval {params.val_interval}"
        " --keep-checkpoints {params.keep_checkpoints} --seed {params.seed}"
        " --processes {params.nodes}"
        " --work-dir {params.experiment}/training {params.optional:q} 2> {log}"


rule train_model:
    """Train, going on from the last checkpoint of the same training if there is one."""
    input:
        config="<results>/{experiment}/model/config.py",
        splits=multiext(
            "<results>/{experiment}/splits/", "train.json", "trainval.json", "val.json"
        ),
        listed="<results>/{experiment}/splits/train.txt",
        images="<results>/{experiment}/dataset/images",
    output:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        curves=report(
            "<results>/{experiment}/model/curves.png",
            caption="../report/training.rst",
            category="{experiment}",
            subcategory="Model",
            labels={"what": "training curves"},
        ),
    log:
        "<results>/{experiment}/logs/train_model.log",
    benchmark:
        "<results>/{experiment}/benchmarks/train_model.tsv"
    retries: training_retries()
    conda:
        "../envs/main.yaml"
    threads: THREADS
    resources:
        mem_mb=training_memory,
        runtime=training_minutes,
        nodes=training_nodes,
        tasks=training_nodes,
        mpi=training_mpi,
    params:
        experiment=subpath(output.checkpoint, ancestor=2),
        options=training_options,
        launch=launch_on_nodes,
    # The work folder is no output: Snakemake would delete its checkpoints when the
    # job fails.
    shell:
        "{params.launch}mmdet_train {input.config} --work-dir {params.experiment}/training"
        " --resume auto --publish {output.checkpoint} --threads {threads}"
        " --curves {output.curves} {params.options:q} 2>> {log}"
