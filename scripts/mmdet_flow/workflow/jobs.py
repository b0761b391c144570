"""Functions that rules ask once a job is known; they take Snakemake's wildcards.

What a function for params returns is compared with that of the last run, if it asks for
wildcards alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mmdet_flow.workflow import options
from mmdet_flow.workflow.places import Places


@dataclass(frozen=True)
class Jobs:
    """The jobs of a config.

    Attributes:
        config: the config, with all its experiments and defaults.
        places: where data and results are.
        are_compared: whether this process compares params with those of the last run;
            jobs on other nodes need not look at what only that is for.
    """

    config: dict
    places: Places
    are_compared: bool = True

    def of_experiment(self, function: Callable) -> Callable:
        """Return a function that tells the config of the job's experiment."""
        return lambda wildcards: function(
            self.config["experiments"][wildcards.experiment]
        )

    def of_config(self, function: Callable) -> Callable:
        """Return a function that tells the config, and the name of the experiment."""
        return lambda wildcards: function(self.config, wildcards.experiment)

    def options(self, rule: str) -> Callable:
        """Return a function for the options that a rule's command has of the config."""
        return self.of_experiment(lambda experiment: options.of_rule(rule, experiment))

    def changes(self, function: Callable, *keys: str) -> Callable:
        """Return a function for what tells inputs apart; it is told these wildcards."""

        def found(wildcards):
            experiment = self.config["experiments"][wildcards.experiment]
            told = (wildcards[key] for key in keys)
            return function(experiment, self.places, *told)

        return lambda wildcards: found(wildcards) if self.are_compared else ""


def option_of_input(key: str) -> Callable:
    """Return a function for the option that names an input, if the job has that one."""
    return lambda wildcards, input: options.option(key, input.get(key) or None)
