rule evaluate_model:
    """Measure the model on the test split with COCO metrics."""
    input:
        checkpoint="<results>/{experiment}/model/checkpoint.pth",
        annotations="<results>/{experiment}/splits/test.json",
        listed="<results>/{experiment}/splits/test.txt",
        images="<results>/{experiment}/dataset/images",
    output:
        report(
            "<results>/{experiment}/evaluation/metrics.csv",
            caption="../report/metrics.rst",
            category="{experiment}",
            labels={"what": "metrics on the test split"},
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
    shell:
        "mmdet_evaluate --checkpoint {input.checkpoint}"
        " --annotations {input.annotations} --images {input.images}"
        " --output {params.folder} --threads {threads} 2> {log}"


rule draw_predictions:
    """Draw predictions on their images."""
    input:
        opex=collect(
            "<results>/{{experiment}}/predictions/shard-{shard}/opex", shard=["0"]
        ),
        images=images_to_predict,
    output:
        report(
            "<results>/{experiment}/predictions/overview.png",
            caption="../report/overview.rst",
            category="{experiment}",
            labels={"what": "predictions"},
        ),
    log:
        "<results>/{experiment}/logs/draw_predictions.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    shell:
        "mmdet_draw {input.opex} --images {input.images:q} --output {output} 2> {log}"


rule summarize:
    """Say what an experiment made and where it is."""
    input:
        dataset="<results>/{experiment}/dataset/report.json",
        metrics="<results>/{experiment}/evaluation/metrics.json",
        images="<results>/{experiment}/predictions/images.csv",
        overview="<results>/{experiment}/predictions/overview.png",
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
    shell:
        "mmdet_summary {params.folder} --output {output} 2> {log}"
