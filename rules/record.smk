rule write_record:
    """Write down what the run was made from, how, and what it made."""
    input:
        recorded_files,
        images="<results>/{experiment}/dataset/images",
    output:
        record="<results>/{experiment}/run.json",
        crate="<results>/{experiment}/ro-crate-metadata.json",
        times="<results>/{experiment}/benchmarks/jobs.json",
        sources=directory("<results>/{experiment}/source"),
    log:
        "<results>/{experiment}/logs/write_record.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        folder=subpath(output.record, parent=True),
        config=lambda wildcards: json.dumps(
            config["experiments"][wildcards.experiment], sort_keys=True
        ),
        campaign=lambda wildcards: [
            *options.option("campaign", CAMPAIGNS.of.get(wildcards.experiment)),
            *options.option("round", CAMPAIGNS.round_of(wildcards.experiment)),
        ],
    shell:
        "mmdet-flow step record {params.folder:q} --config={params.config:q} {params.campaign:q}"
        " 2> {log:q}"


rule track_run:
    """Export the record to the tracker; one that is down is tried again by the next run."""
    input:
        recorded_files,
        record="<results>/{experiment}/run.json",
        crate="<results>/{experiment}/ro-crate-metadata.json",
        times="<results>/{experiment}/benchmarks/jobs.json",
    output:
        "<results>/tracking/{experiment}.json",
    log:
        "<results>/{experiment}/logs/track_run.log",
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        folder=subpath(input.record, parent=True),
        options=lambda wildcards: options.of_rule(
            "track_run", {"track": PLACES.tracker(config["track"], os.environ)}
        ),
        tries=lambda wildcards: PLACES.tries_to_track(wildcards.experiment),
    # Of the log it is shown whether the tracker was not there.
    shell:
        "mmdet-flow track {params.folder:q} {params.options:q}"
        " --receipt={output:q} --tries={params.tries} 2> >(tee {log:q} | grep --line-buffered -v '^INFO ' >&2)"
