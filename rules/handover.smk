rule write_model_card:
    """Write the card of the model: what it is for, how it was made, how good it is."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        base="<results>/{experiment}/model/base.py",
        check="<results>/{experiment}/dataset/report.json",
        data="<results>/{experiment}/card/card.json",
        splits=multiext(
            "<results>/{experiment}/splits/", "train.json", "val.json", "test.json"
        ),
        metrics="<results>/{experiment}/evaluation/metrics.json",
        images="<results>/{experiment}/evaluation/images.csv",
        thresholds=jobs.of_config(files.thresholds_if_any),
        tiles=jobs.of_config(files.tile_report),
    output:
        "<results>/{experiment}/model/card.md",
    log:
        "<results>/{experiment}/logs/write_model_card.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        folder=subpath(output[0], ancestor=2),
    shell:
        "mmdet-flow handover card {params.folder:q} --output={output:q} 2> {log:q}"


rule pack_model:
    """Pack the model with its class list, thresholds and card into one file."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        form="<results>/{experiment}/model/checkpoint.deploy.zip",
        card="<results>/{experiment}/model/card.md",
        thresholds=jobs.of_config(files.thresholds_if_any),
        license=jobs.of_experiment(
            lambda experiment: single_file(experiment["data"]["license"])
        ),
    output:
        "<results>/{experiment}/model/{experiment}.zip",
    log:
        "<results>/{experiment}/logs/pack_model.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        folder=subpath(output[0], ancestor=2),
        license=option_of_input("license"),
        options=jobs.options("pack_model"),
    shell:
        "mmdet-flow handover package {params.folder:q} --output={output:q}"
        " {params.license:q} {params.options:q} 2> {log:q}"


rule build_pages:
    """Build the pages that the report shows beside pictures."""
    input:
        recorded_files,
        # Is written after the last job whose speed is told.
        record="<results>/{experiment}/run.json",
        times="<results>/{experiment}/benchmarks/jobs.json",
    output:
        report(
            "<results>/{experiment}/pages/data_set.html",
            caption="../report/data_set.rst",
            category="{experiment}",
            subcategory="Data set",
            labels={"what": "images and objects"},
        ),
        report(
            "<results>/{experiment}/pages/changes.html",
            caption="../report/changes.rst",
            category="{experiment}",
            subcategory="Model",
            labels={"what": "changes of the base config"},
        ),
        report(
            "<results>/{experiment}/pages/metrics.html",
            caption="../report/metrics.rst",
            category="{experiment}",
            subcategory="Evaluation",
            labels={"what": "all metrics"},
        ),
        report(
            "<results>/{experiment}/pages/speed.html",
            caption="../report/speed.rst",
            category="{experiment}",
            subcategory="Speed",
            labels={"what": "training and prediction"},
        ),
        report(
            "<results>/{experiment}/pages/provenance.html",
            caption="../report/provenance.rst",
            category="{experiment}",
            subcategory="Provenance",
            labels={"what": "sources, data, jobs and hashes"},
        ),
        card=report(
            "<results>/{experiment}/pages/model_card.html",
            caption="../report/model_card.rst",
            category="{experiment}",
            subcategory="Model",
            labels={"what": "model card"},
        ),
    log:
        "<results>/{experiment}/logs/build_pages.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        folder=subpath(output.card, ancestor=2),
        pages=subpath(output.card, parent=True),
    shell:
        "mmdet-flow step pages {params.folder:q} --output={params.pages:q} 2> {log:q}"
