rule rank_experiments:
    """Rank all experiments by how good their models are on the test images."""
    input:
        *(files.compared(config, name) for name in config["experiments"]),
        collect(
            "<results>/{experiment}/{file}",
            experiment=config["experiments"],
            file=["predictions/images.csv", "benchmarks/train_model.tsv"],
        ),
        *shards_of_each("benchmarks/predict_images-{shard}.json"),
    output:
        csv=report(
            "<results>/leaderboard.csv",
            caption="../report/leaderboard.rst",
            category="all experiments",
            labels={"what": "leaderboard as a table"},
        ),
        html=report(
            "<results>/leaderboard.html",
            caption="../report/leaderboard.rst",
            category="all experiments",
            labels={"what": "leaderboard"},
        ),
    log:
        "<logs>/rank_experiments.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        folders=lambda wildcards, output: [
            Path(output.csv).with_name(name) for name in config["experiments"]
        ],
    shell:
        "mmdet-flow compare leaderboard {params.folders:q} --csv={output.csv:q}"
        " --html={output.html:q}"
        " 2> {log:q}"


rule compare_rounds:
    """Say how good the model is after each round of labelling."""
    input:
        lambda wildcards: files.tested(config, CAMPAIGNS.rounds[wildcards.campaign]),
    output:
        csv=report(
            "<results>/rounds/{campaign}.csv",
            caption="../report/rounds.rst",
            category="all experiments",
            labels={"what": "rounds of {campaign} as a table"},
        ),
        png=report(
            "<results>/rounds/{campaign}.png",
            caption="../report/rounds.rst",
            category="all experiments",
            labels={"what": "rounds of {campaign}"},
        ),
    log:
        "<logs>/compare_rounds-{campaign}.log",
    wildcard_constraints:
        campaign=names_pattern(CAMPAIGNS.rounds),
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        folders=lambda wildcards, output: [
            Path(output.csv).parents[1] / name
            for name in CAMPAIGNS.rounds[wildcards.campaign]
        ],
    # The log is shown too: it says if the test splits of the rounds differ.
    shell:
        "mmdet-flow compare rounds {params.folders:q} --csv={output.csv:q}"
        " --png={output.png:q} 2> >(tee {log:q} >&2)"


rule draw_learning_curve:
    """Say what more labelled images would give."""
    input:
        lambda wildcards: files.tested(config, CAMPAIGNS.curves[wildcards.campaign]),
    output:
        csv=report(
            "<results>/curves/{campaign}.csv",
            caption="../report/learning_curve.rst",
            category="all experiments",
            labels={"what": "learning curve of {campaign} as a table"},
        ),
        png=report(
            "<results>/curves/{campaign}.png",
            caption="../report/learning_curve.rst",
            category="all experiments",
            labels={"what": "learning curve of {campaign}"},
        ),
    log:
        "<logs>/draw_learning_curve-{campaign}.log",
    wildcard_constraints:
        campaign=names_pattern(CAMPAIGNS.curves),
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        folders=lambda wildcards, output: [
            Path(output.csv).parents[1] / name
            for name in CAMPAIGNS.curves[wildcards.campaign]
        ],
    # The log is shown too: it says what more images would give.
    shell:
        "mmdet-flow compare curve {params.folders:q} --csv={output.csv:q}"
        " --png={output.png:q} 2> >(tee {log:q} >&2)"


rule compare_experiments:
    """Compare an experiment with another one, image by image."""
    input:
        jobs.of_config(files.compared),
        lambda wildcards: files.compared(config, wildcards.other),
        a="<results>/{experiment}/dataset/images",
        b="<results>/{other}/dataset/images",
    output:
        multiext(
            "<results>/{experiment}/compared/{other}/",
            *("comparison.json", "comparison.md", "metrics.csv", "images.csv"),
        ),
        html=report(
            "<results>/{experiment}/compared/{other}/comparison.html",
            caption="../report/comparison.rst",
            category="{experiment}",
            labels={"what": "compared with {other}"},
        ),
    log:
        "<results>/{experiment}/logs/compare_experiments-{other}.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        a=subpath(input.a, ancestor=2),
        b=subpath(input.b, ancestor=2),
        folder=subpath(output.html, parent=True),
    shell:
        "mmdet-flow compare experiments {params.a:q} {params.b:q}"
        " --output={params.folder:q} 2> {log:q}"
