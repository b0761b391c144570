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
        base=jobs.of_experiment(lambda experiment: experiment["model"]["base"]),
        files=jobs.changes(changes.of_base),
    shell:
        "mmdet-flow model config --save-path={output:q} -- {params.base:q} 2> {log:q}"


rule patch_config:
    """Fit the exported config to the data and the training."""
    input:
        config="<results>/{experiment}/model/base.py",
        train=jobs.of_config(files.trained_on),
        val=jobs.of_config(files.validated_on),
        test="<results>/{experiment}/splits/test.json",
        images=jobs.of_config(files.training_images),
        test_images=jobs.of_config(files.test_images),
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
        val=option_of_input("val"),
        test_images=option_of_input("test_images"),
        options=jobs.of_experiment(options.patch),
        experiment=subpath(output[0], ancestor=2),
    shell:
        "mmdet-flow model patch {input.config:q} --output={output:q} --train={input.train:q}"
        " {params.val:q} --test={input.test:q} --images={input.images:q}"
        " {params.test_images:q}"
        " --work-dir={params.experiment:q}/training {params.options:q} 2> {log:q}"


rule fetch_weights:
    """Fetch published weights, unless they are kept, on the machine of the workflow."""
    output:
        "<results>/weights/{weights}",
    log:
        "<logs>/fetch_weights-{weights}.log",
    wildcard_constraints:
        weights=r"[^/]+\.pth",
    # Nodes of a cluster often have no network.
    localrule: True
    conda:
        "../envs/main.yaml"
    # Asking for the output, so that another place of the same file is no change.
    params:
        base=lambda wildcards, output: files.base_of_weights(config, wildcards.weights),
        options=lambda wildcards, output: options.of_rule("fetch_weights", config),
    # The log is shown too: it says how much is fetched already, and what is missing.
    shell:
        "mmdet-flow weights get --output={output:q} {params.options:q} -- {params.base:q}"
        " > /dev/null 2> >(tee {log:q} >&2)"


rule train_model:
    """Train, going on from the last checkpoint of the same training if there is one."""
    input:
        config="<results>/{experiment}/model/config.py",
        splits=jobs.of_config(files.training_splits),
        counted=jobs.of_config(files.counted),
        images=jobs.of_config(files.training_images),
        pixels=jobs.of_config(files.training_pixels),
        load_from=first_weights,
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
        load_from=option_of_input("load_from"),
        options=jobs.of_experiment(options.training),
        weights=jobs.changes(changes.of_weights),
        launch=launch_on_nodes,
    # The work folder is no output: Snakemake would delete its checkpoints when the
    # job fails.
    shell:
        "{params.launch}mmdet-flow model train {input.config:q}"
        " --work-dir={params.experiment:q}/training --resume=auto"
        " --publish={output.checkpoint:q} --threads={threads}"
        " --curves={output.curves:q} {params.load_from:q} {params.options:q} 2>> {log:q}"


rule deploy_model:
    """Make the form of the model that predicts without torch, or say why there is none."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        annotations=jobs.of_config(files.compared_on),
        images=jobs.of_config(files.training_images),
    output:
        "<results>/{experiment}/model/checkpoint.deploy.zip",
    log:
        "<results>/{experiment}/logs/deploy_model.log",
    conda:
        "../envs/main.yaml"
    threads: THREADS
    resources:
        mem_mb=prediction_memory,
        runtime=deployment_minutes,
    shell:
        "mmdet-flow model deploy --checkpoint={input.checkpoint:q}"
        " --annotations={input.annotations:q} --images={input.images:q}"
        " --output={output:q} --threads={threads} 2> {log:q}"
