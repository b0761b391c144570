"""What is going to run, told to those who show it.

Snakemake's own events name a job when it starts; what waits, and for what, is known
from here.
"""

import logging
from collections.abc import Iterator

PLAN = "mmdet_flow_plan"
"""The attribute of a log record that has the jobs; one that is for ours alone."""


def tell_plan(dag, handlers) -> None:
    """Log the jobs of Snakemake's ``dag`` for the handlers that ask for them."""
    if any(getattr(handler, "wants_plan", False) for handler in handlers):
        log = logging.getLogger("snakemake.logging")
        log.info("", extra={PLAN: list(planned(dag))})


def planned(dag) -> Iterator[dict]:
    """Yield the jobs to run: number, rule, wildcards, and numbers that come before."""
    to_run = set(dag.needrun_jobs())
    for job in to_run:
        before = to_run.intersection(dag.dependencies[job])
        yield {
            "jobid": dag.jobid(job),
            "rule_name": job.rule.name,
            "wildcards": dict(job.wildcards_dict),
            "needs": sorted(dag.jobid(one) for one in before),
        }
