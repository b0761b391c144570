rule make_example:
    """Draw the annotated images of the embedded example."""
    output:
        directory(EXAMPLE),
    log:
        "<logs>/make_example.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    shell:
        "mmdet-flow start example --output={output:q} 2> {log:q}"


rule convert_annotations:
    """Check the annotations and convert them to COCO with wai.annotations."""
    input:
        annotations=jobs.of_experiment(
            lambda experiment: data_folder(experiment["data"]["annotations"])
        ),
        images=jobs.of_experiment(
            lambda experiment: data_folder(experiment["data"]["images"])
        ),
    output:
        coco="<results>/{experiment}/dataset/annotations.json",
        classes="<results>/{experiment}/dataset/classes.txt",
        report="<results>/{experiment}/dataset/report.json",
        findings="<results>/{experiment}/dataset/report.csv",
        pixels="<results>/{experiment}/dataset/images.csv",
        images=directory("<results>/{experiment}/dataset/images"),
    log:
        "<results>/{experiment}/logs/convert_annotations.log",
    wildcard_constraints:
        experiment=names_pattern(set(CONVERTED.values())),
    conda:
        "../envs/main.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=conversion_minutes,
    params:
        options=jobs.of_experiment(options.conversion),
        data=jobs.changes(changes.of_data),
        folder=subpath(output.coco, parent=True),
    shell:
        "mmdet-flow data convert --annotations={input.annotations:q} --images={input.images:q}"
        " --output={params.folder:q} --threads={threads} {params.options:q} 2> {log:q}"


rule reuse_dataset:
    """Reuse the data set of another experiment, which converts it alike."""
    input:
        coco=converted_file("dataset/annotations.json"),
        classes=converted_file("dataset/classes.txt"),
        report=converted_file("dataset/report.json"),
        findings=converted_file("dataset/report.csv"),
        pixels=converted_file("dataset/images.csv"),
        images=converted_file("dataset/images"),
    output:
        coco="<results>/{experiment}/dataset/annotations.json",
        classes="<results>/{experiment}/dataset/classes.txt",
        report="<results>/{experiment}/dataset/report.json",
        findings="<results>/{experiment}/dataset/report.csv",
        pixels="<results>/{experiment}/dataset/images.csv",
        images=directory("<results>/{experiment}/dataset/images"),
    log:
        "<results>/{experiment}/logs/reuse_dataset.log",
    wildcard_constraints:
        experiment=names_pattern(set(CONVERTED) - set(CONVERTED.values())),
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        source=subpath(input.coco, parent=True),
        folder=subpath(output.coco, parent=True),
    shell:
        "mmdet-flow step reuse {params.source:q} --output={params.folder:q} 2> {log:q}"


rule split_dataset:
    """Divide the images into training, validation and test."""
    input:
        coco="<results>/{experiment}/dataset/annotations.json",
        report="<results>/{experiment}/dataset/report.json",
        # Other pixels are another data set, though the annotations are the same.
        pixels="<results>/{experiment}/dataset/images.csv",
        lists=jobs.of_experiment(
            lambda experiment: list(map(local, options.split_lists(experiment)))
        ),
    output:
        multiext(
            "<results>/{experiment}/splits/",
            *("train.json", "val.json", "trainval.json", "test.json"),
            *("train.txt", "val.txt", "test.txt"),
        ),
    log:
        "<results>/{experiment}/logs/split_dataset.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        options=jobs.of_experiment(options.splitting),
        groups=jobs.changes(changes.of_groups),
        folder=subpath(output[0], parent=True),
    shell:
        "mmdet-flow data split {input.coco:q} --output={params.folder:q} --report={input.report:q}"
        " {params.options:q} 2> {log:q}"


rule cut_tiles:
    """Cut the images of training and validation into tiles, with their objects."""
    input:
        splits=multiext(
            "<results>/{experiment}/splits/", "train.json", "val.json", "trainval.json"
        ),
        images="<results>/{experiment}/dataset/images",
        # Other pixels are other tiles, though the annotations are the same.
        pixels="<results>/{experiment}/dataset/images.csv",
    output:
        multiext(
            "<results>/{experiment}/tiles/",
            *("train.json", "val.json", "trainval.json"),
            *("images.csv", "report.json", "findings.csv"),
        ),
        images=directory("<results>/{experiment}/tiles/images"),
    log:
        "<results>/{experiment}/logs/cut_tiles.log",
    conda:
        "../envs/main.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=cutting_minutes,
    params:
        options=jobs.options("cut_tiles"),
        folder=subpath(output.images, parent=True),
    shell:
        "mmdet-flow data tile {input.splits:q} --images={input.images:q}"
        " --output={params.folder:q} --threads={threads} {params.options:q} 2> {log:q}"


rule describe_dataset:
    """Describe the data set on one card."""
    input:
        splits=multiext(
            "<results>/{experiment}/splits/", "train.json", "val.json", "test.json"
        ),
        images="<results>/{experiment}/dataset/images",
    output:
        html="<results>/{experiment}/card/card.html",
        json="<results>/{experiment}/card/card.json",
        plots=report(
            "<results>/{experiment}/card/card.png",
            caption="../report/card.rst",
            category="{experiment}",
            subcategory="Data set",
            labels={"what": "plots of the data"},
        ),
        samples=report(
            "<results>/{experiment}/card/samples.png",
            caption="../report/samples.rst",
            category="{experiment}",
            subcategory="Data set",
            labels={"what": "annotated images"},
        ),
    log:
        "<results>/{experiment}/logs/describe_dataset.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        options=jobs.options("describe_dataset"),
        folder=subpath(output.html, parent=True),
    shell:
        "mmdet-flow data card {input.splits:q} --images={input.images:q}"
        " --output={params.folder:q} {params.options:q} 2> {log:q}"
