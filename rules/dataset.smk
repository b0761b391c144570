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
        "mmdet_example --output {output} 2> {log}"


rule convert_annotations:
    """Check the annotations and convert them to COCO with wai.annotations."""
    input:
        annotations=data_folder("annotations"),
        images=data_folder("images"),
    output:
        coco="<results>/{experiment}/dataset/annotations.json",
        classes="<results>/{experiment}/dataset/classes.txt",
        report="<results>/{experiment}/dataset/report.json",
        findings="<results>/{experiment}/dataset/report.csv",
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
        format=option("data", "format"),
        optional=convert_options,
        folder=subpath(output.coco, parent=True),
    shell:
        "mmdet_convert --format {params.format} --annotations {input.annotations:q}"
        " --images {input.images:q} --output {params.folder} --threads {threads}"
        " {params.optional:q} 2> {log}"


rule share_dataset:
    """Take over the data set of another experiment, which converts it alike."""
    input:
        coco=converted_file("annotations.json"),
        classes=converted_file("classes.txt"),
        report=converted_file("report.json"),
        findings=converted_file("report.csv"),
        images=converted_file("images"),
    output:
        coco="<results>/{experiment}/dataset/annotations.json",
        classes="<results>/{experiment}/dataset/classes.txt",
        report="<results>/{experiment}/dataset/report.json",
        findings="<results>/{experiment}/dataset/report.csv",
        images=directory("<results>/{experiment}/dataset/images"),
    log:
        "<results>/{experiment}/logs/share_dataset.log",
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
        "mmdet_share {params.source} --output {params.folder} 2> {log}"


rule split_dataset:
    """Divide the images into training, validation and test."""
    input:
        coco="<results>/{experiment}/dataset/annotations.json",
        report="<results>/{experiment}/dataset/report.json",
        lists=lists_of_splits,
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
        train=option("splits", "train"),
        val=option("splits", "val"),
        test=option("splits", "test"),
        seed=option("splits", "seed"),
        optional=split_options,
        folder=subpath(output[0], parent=True),
    shell:
        "mmdet_split {input.coco} --output {params.folder} --train {params.train:q}"
        " --val {params.val:q} --test {params.test:q} --seed {params.seed}"
        " --report {input.report} {params.optional:q} 2> {log}"


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
        image_size=image_size_option,
        folder=subpath(output.html, parent=True),
    shell:
        "mmdet_card {input.splits} --images {input.images} --output {params.folder}"
        " {params.image_size} 2> {log}"
