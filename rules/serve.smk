SERVED = SimpleNamespace(experiment=served_experiment(config))


rule serve:
    """Launch the Redis predictor; it runs until it is stopped."""
    input:
        checkpoint=f"<results>/{SERVED.experiment}/model/checkpoint.pth",
        thresholds=thresholds_to_use(SERVED),
    log:
        "<logs>/serve.log",
    conda:
        "../envs/main.yaml"
    threads: THREADS
    params:
        score=lambda _, input: score_options(SERVED, input),
        options=lookup(dpath="serve/options", within=config),
    # exec: the predictor itself gets the signals.
    shell:
        "exec mmdet_predict_redis --checkpoint {input.checkpoint}"
        " {params.score} --threads {threads} {params.options} 2> >(tee {log} >&2)"


rule answer_round_trip:
    """Serve the model, on a Redis server of its own, while the round trip lasts."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        thresholds=thresholds_to_use,
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
        score=score_options,
        port=round_trip_port,
    # Snakemake waits for the file for seconds only; the stream keeps what comes before
    # the model is loaded. The timeout ends the service where Snakemake does not.
    shell:
        "touch {output} && exec mmdet_predict_redis"
        " --checkpoint {input.checkpoint} {params.score} --threads {threads} --redis_front streams"
        " --embedded_redis --redis_port {params.port} --idle_timeout 60 2> {log}"


rule round_trip:
    """Send the predicted images over Redis: the answers must equal the files."""
    input:
        service="<results>/{experiment}/serving/started",
        images=images_to_predict,
        opex=shard_files("opex"),
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
        port=round_trip_port,
    shell:
        "mmdet_redis_load --images {input.images:q} --compare {input.opex}"
        " --redis_front streams --redis_port {params.port} > {output} 2> {log}"
