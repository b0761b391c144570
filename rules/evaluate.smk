rule choose_thresholds:
    """Choose the score threshold for each class, on the validation split."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        form="<results>/{experiment}/model/checkpoint.deploy.zip",
        annotations="<results>/{experiment}/splits/val.json",
        listed="<results>/{experiment}/splits/val.txt",
        images="<results>/{experiment}/dataset/images",
    output:
        "<results>/{experiment}/evaluation/thresholds.json",
    log:
        "<results>/{experiment}/logs/choose_thresholds.log",
    conda:
        "../envs/main.yaml"
    threads: THREADS
    resources:
        mem_mb=prediction_memory,
        runtime=evaluation_minutes,
    params:
        options=jobs.options("choose_thresholds"),
    shell:
        "mmdet-flow evaluate thresholds --checkpoint={input.checkpoint:q}"
        " --annotations={input.annotations:q} --images={input.images:q}"
        " --output={output:q} --threads={threads} {params.options:q} 2> {log:q}"


rule evaluate_model:
    """Measure the model on the test split, and find out where it fails."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        form="<results>/{experiment}/model/checkpoint.deploy.zip",
        annotations="<results>/{experiment}/splits/test.json",
        listed="<results>/{experiment}/splits/test.txt",
        images="<results>/{experiment}/dataset/images",
        thresholds=jobs.of_config(files.thresholds_to_use),
    output:
        "<results>/{experiment}/evaluation/metrics.csv",
        report(
            "<results>/{experiment}/evaluation/curves.png",
            caption="../report/curves.rst",
            category="{experiment}",
            subcategory="Evaluation",
            labels={"what": "precision, recall and F1"},
        ),
        report(
            "<results>/{experiment}/evaluation/confusion.png",
            caption="../report/confusion.rst",
            category="{experiment}",
            subcategory="Evaluation",
            labels={"what": "confusion of classes"},
        ),
        report(
            "<results>/{experiment}/evaluation/errors.png",
            caption="../report/errors.rst",
            category="{experiment}",
            subcategory="Evaluation",
            labels={"what": "types of error"},
        ),
        report(
            "<results>/{experiment}/evaluation/calibration.png",
            caption="../report/calibration.rst",
            category="{experiment}",
            subcategory="Evaluation",
            labels={"what": "calibration"},
        ),
        report(
            "<results>/{experiment}/evaluation/images.csv",
            caption="../report/images.rst",
            category="{experiment}",
            subcategory="Evaluation",
            labels={"what": "each test image (CSV to download)"},
        ),
        multiext(
            "<results>/{experiment}/evaluation/",
            *("curves.csv", "confusion.csv", "errors.csv", "calibration.csv"),
            "label_errors.csv",
        ),
        metrics="<results>/{experiment}/evaluation/metrics.json",
        detections="<results>/{experiment}/evaluation/detections.json",
    log:
        "<results>/{experiment}/logs/evaluate_model.log",
    conda:
        "../envs/main.yaml"
    threads: THREADS
    resources:
        mem_mb=prediction_memory,
        runtime=evaluation_minutes,
    params:
        folder=subpath(output.metrics, parent=True),
        options=jobs.options("evaluate_model"),
        thresholds=option_of_input("thresholds"),
    shell:
        "mmdet-flow evaluate metrics --checkpoint={input.checkpoint:q}"
        " --annotations={input.annotations:q} --images={input.images:q}"
        " {params.options:q} {params.thresholds:q}"
        " --output={params.folder:q} --threads={threads} 2> {log:q}"


rule build_gallery:
    """Show predictions against the truth on one page, the worst images first."""
    input:
        annotations="<results>/{experiment}/splits/test.json",
        detections="<results>/{experiment}/evaluation/detections.json",
        images="<results>/{experiment}/dataset/images",
        thresholds=jobs.of_config(files.thresholds_to_use),
    output:
        gallery="<results>/{experiment}/evaluation/gallery.html",
        excerpt=report(
            "<results>/{experiment}/evaluation/worst.html",
            caption="../report/gallery.rst",
            category="{experiment}",
            subcategory="Evaluation",
            labels={"what": "worst images"},
        ),
    log:
        "<results>/{experiment}/logs/build_gallery.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        options=jobs.options("build_gallery"),
        thresholds=option_of_input("thresholds"),
        title="{experiment}: predictions against the truth",
    shell:
        "mmdet-flow evaluate gallery --detections={input.detections:q}"
        " --annotations={input.annotations:q} --images={input.images:q}"
        " {params.options:q} {params.thresholds:q}"
        " --title={params.title:q} --output={output.gallery:q}"
        " --excerpt={output.excerpt:q} 2> {log:q}"


rule draw_predictions:
    """Draw predictions on their images."""
    input:
        opex=collect(
            "<results>/{{experiment}}/predictions/shard-{shard}/opex", shard=["0"]
        ),
        images=images_to_predict,
        classes="<results>/{experiment}/dataset/classes.txt",
    output:
        report(
            "<results>/{experiment}/predictions/overview.png",
            caption="../report/overview.rst",
            category="{experiment}",
            subcategory="Predictions",
            labels={"what": "predictions on their images"},
        ),
    log:
        "<results>/{experiment}/logs/draw_predictions.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        options=jobs.of_experiment(options.drawing),
    shell:
        "mmdet-flow evaluate draw {input.opex:q} --images={input.images:q}"
        " --class-list={input.classes:q} --output={output:q} {params.options:q} 2> {log:q}"


rule summarize:
    """Say what an experiment made and where it is."""
    input:
        dataset="<results>/{experiment}/dataset/report.json",
        tiles=jobs.of_config(files.tile_report),
        metrics="<results>/{experiment}/evaluation/metrics.json",
        thresholds=jobs.of_config(files.thresholds_if_any),
        images="<results>/{experiment}/predictions/images.csv",
        overview="<results>/{experiment}/predictions/overview.png",
        gallery="<results>/{experiment}/evaluation/gallery.html",
        package="<results>/{experiment}/model/{experiment}.zip",
    output:
        "<results>/{experiment}/summary.txt",
    log:
        "<results>/{experiment}/logs/summarize.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        folder=subpath(output[0], parent=True),
        place=lambda wildcards: PLACES.where_it_is(
            f"{PLACES.results}/{wildcards.experiment}"
        ),
    shell:
        "mmdet-flow step summary {params.folder:q} --place={params.place:q} --output={output:q}"
        " 2> {log:q}"
