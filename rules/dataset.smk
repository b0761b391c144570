rule make_example:
    """Draw the annotated images of the embedded example."""
    output:
        directory(EXAMPLE),
    log:
        "<logs>/make_example.log",
    conda:
        "../envs/main.yaml"
    shell:
        "mmdet_example --output {output} 2> {log}"


rule convert_annotations:
    """Check the annotations and convert them to COCO with wai.annotations."""
    input:
        annotations=option("data", "annotations"),
        images=option("data", "images"),
    output:
        coco="<results>/{experiment}/dataset/annotations.json",
        classes="<results>/{experiment}/dataset/classes.txt",
        report="<results>/{experiment}/dataset/report.json",
        images=directory("<results>/{experiment}/dataset/images"),
    log:
        "<results>/{experiment}/logs/convert_annotations.log",
    conda:
        "../envs/main.yaml"
    threads: 2
    params:
        format=option("data", "format"),
        classes=class_option,
        folder=subpath(output.coco, parent=True),
    shell:
        "mmdet_convert --format {params.format} --annotations {input.annotations:q}"
        " --images {input.images:q} --output {params.folder} {params.classes:q}"
        " --threads {threads} 2> {log}"


rule split_dataset:
    """Divide the images into training, validation and test."""
    input:
        coco="<results>/{experiment}/dataset/annotations.json",
        lists=split_lists,
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
    params:
        train=option("splits", "train"),
        val=option("splits", "val"),
        test=option("splits", "test"),
        seed=option("splits", "seed"),
        folder=subpath(output[0], parent=True),
    shell:
        "mmdet_split {input.coco} --output {params.folder} --train {params.train:q}"
        " --val {params.val:q} --test {params.test:q} --seed {params.seed} 2> {log}"
