SERVED = served_experiment(config)


rule serve:
    """Launch the Redis predictor; it runs until it is stopped."""
    input:
        checkpoint=f"<results>/{SERVED}/model/checkpoint.pth",
        form=f"<results>/{SERVED}/model/checkpoint.deploy.zip",
        thresholds=files.thresholds_to_serve(config, SERVED),
    log:
        "<logs>/serve.log",
    conda:
        "../envs/main.yaml"
    threads: THREADS
    params:
        score=lambda _: options.serving(
            config["experiments"][SERVED], config["serve"]["options"]
        ),
        thresholds=option_of_input("thresholds"),
        options=lambda _: options.words_of(config["serve"]["options"]),
    # exec: the predictor itself gets the signals.
    shell:
        "exec mmdet-flow serve --checkpoint={input.checkpoint:q} {params.score:q}"
        " {params.thresholds:q} --threads={threads} {params.options:q}"
        " 2> >(tee {log:q} >&2)"


rule answer_round_trip:
    """Serve the model, on a Redis server of its own, while the round trip lasts."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        form="<results>/{experiment}/model/checkpoint.deploy.zip",
        thresholds=jobs.of_config(files.thresholds_to_use),
    output:
        service("<results>/{experiment}/serving/started"),
    log:
        "<results>/{experiment}/logs/answer_round_trip.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        score=jobs.of_experiment(options.round_trip),
        thresholds=option_of_input("thresholds"),
        port=jobs.of_config(round_trip_port),
    # Snakemake waits for the file for seconds only; the stream keeps what comes before
    # the model is loaded. The timeout ends the service where Snakemake does not.
    shell:
        "touch {output:q} && exec mmdet-flow serve --checkpoint={input.checkpoint:q}"
        " {params.score:q} {params.thresholds:q} --threads={threads}"
        " --redis_front=streams --embedded_redis --redis_port={params.port}"
        " --idle_timeout=60 2> {log:q}"


rule round_trip:
    """Send the predicted images over Redis: the answers must equal the files."""
    input:
        service="<results>/{experiment}/serving/started",
        images=images_to_predict,
        # Not the shards, nor their lists: Snakemake runs what waits for a service twice
        # if it takes what a checkpoint makes or names, at first without that.
        manifest="<results>/{experiment}/predictions/manifest.csv",
    output:
        "<results>/{experiment}/serving/round_trip.txt",
    log:
        "<results>/{experiment}/logs/round_trip.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        port=jobs.of_config(round_trip_port),
        folder=subpath(input.manifest, parent=True),
    shell:
        "shards=(); for list in {params.folder:q}/lists/*.txt; do"
        ' shards+=({params.folder:q}/shard-"$(basename "$list" .txt)"/opex); done;'
        ' mmdet-flow redis load --images={input.images:q} --compare "${{shards[@]}}"'
        " --redis-front=streams --redis-port={params.port} > {output:q} 2> {log:q}"
