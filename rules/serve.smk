SERVED = config["serve"]["experiment"] or next(iter(config["experiments"]))


rule serve:
    """Launch the Redis predictor; it runs until it is stopped."""
    input:
        f"<results>/{SERVED}/model/checkpoint.pth",
    log:
        "<logs>/serve.log",
    conda:
        "../envs/main.yaml"
    threads: workflow.cores or 2
    params:
        options=lookup(dpath="serve/options", within=config),
    # exec: the predictor itself gets the signals.
    shell:
        "exec mmdet_predict_redis --checkpoint {input} --threads {threads}"
        " {params.options} 2> >(tee {log} >&2)"
