"""Where data and results are: on this machine, or on remote storage."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow.errors import UsageError


@dataclass(frozen=True)
class Places:
    """The folders that the workflow fills, and the storage that they are on.

    Attributes:
        results: the folder of the experiments.
        logs: the folder of logs that belong to no experiment.
        provider: the kind of remote storage that all paths are on, or None.
        prefix: what stands before a path there.
    """

    results: str
    logs: str
    provider: str | None = None
    prefix: str = ""

    def where_it_is(self, path: str) -> str:
        """Return a path of the config or of results as it is on storage, if used."""
        if not self.provider or "://" in path:
            return path
        return f"{self.prefix.rstrip('/')}/{os.path.normpath(path)}"

    def exists(self, folder: str, storage: Callable) -> bool:
        """Whether a folder of the config is there; ``storage`` is Snakemake's own.

        Raises UsageError for remote storage that cannot be reached.
        """
        folder = self.where_it_is(folder)
        if "://" not in folder:
            return Path(folder).exists()
        try:
            return storage(folder).flags["storage_object"].exists()
        except Exception as error:  # each kind of storage has its own
            raise UsageError(f"{folder} cannot be reached: {error}") from None

    def is_compared(self, path: str) -> bool:
        """Whether changes of a path of the config are found by digest, not by its time.

        What is on remote storage is left to Snakemake.
        """
        return "://" not in path and not self.provider

    def tracker(self, section: dict, environment: Mapping[str, str]) -> dict:
        """Return the section of the tracker, with the place of its file.

        With results on remote storage that stays on this machine, where it would be
        without.
        """
        uri = section["uri"] or None
        if self.provider and not uri and not environment.get("MLFLOW_TRACKING_URI"):
            uri = f"sqlite:///{self.results}/tracking/mlflow.db"
        return section | {"uri": uri}

    def tries_to_track(self, experiment: str) -> int:
        """Return how often the tracker was tried in vain, by the receipt of a run.

        While it is down that number grows, and Snakemake runs the job again.
        """
        receipt = Path(self.results) / "tracking" / f"{experiment}.json"
        try:
            content = json.loads(receipt.read_text())
            return content["tries"] + (not content["tracked"])
        except (OSError, ValueError, LookupError, TypeError):
            return 0  # not tracked yet, or not by us
