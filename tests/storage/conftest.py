"""An S3 server for the session, and the small workflow that is run with it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.cluster.slurm import wait_until
from tests.conftest import ROOT, run_command, unused_port

BUCKET = "laboratory"
PROJECT = "sea"
"""What the names of all objects of the test begin with."""

DATA = "data/shore"
STORED_DATA = f"s3://{BUCKET}/{PROJECT}/{DATA}"
ACCESS_KEY = "key-of-the-tests"
SECRET_KEY = "secret-of-the-tests"
LEFT_BY_MACHINE = ("logs", "benchmarks", "source", "training", "pages", "tracking")
"""Folders of results with times, places or the name of the working directory."""

RECORDS = (
    "run.json",
    "ro-crate-metadata.json",
    "leaderboard.csv",
    "leaderboard.html",
)
"""Files with the same."""


def config(data: str, twin: bool = True) -> dict:
    """Return the config of an experiment, and of another one with its data."""
    example = {
        "data": {"format": "opex", "annotations": data, "images": data},
        "splits": {"train": 0.5, "val": 0.2, "test": 0.3},
        "model": {
            "base": "rtmdet-ins_tiny_8xb32-300e_coco",
            "image_size": 96,
            "epochs": 1,
            "precision": "fp32",
            "cfg_options": ["model.test_cfg.score_thr=0.0001"],
        },
        "predict": {"images_per_shard": 3, "score": 0.0},
    }
    other = example | {"model": example["model"] | {"seed": 7}}
    return {"experiments": {"example": example} | ({"twin": other} if twin else {})}


class Server:
    """An S3 server on this machine, in memory."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port)
        with open(log, "w") as stream:
            self._process = subprocess.Popen(
                [*map(str, command)], stdout=stream, stderr=stream
            )
        try:
            self.client = self._connect()
            wait_until(self._answers, 60, "the S3 server")
            self.client.create_bucket(Bucket=BUCKET)
        except BaseException:
            self.stop()
            raise

    def _connect(self):
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def _answers(self) -> bool:
        from botocore.exceptions import EndpointConnectionError

        assert self._process.poll() is None, "the S3 server ended"
        try:
            self.client.list_buckets()
        except EndpointConnectionError:
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    @property
    def variables(self) -> dict[str, str]:
        """What snakemake takes from the environment."""
        return {
            "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": self.url,
            "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": ACCESS_KEY,
            "SNAKEMAKE_STORAGE_S3_SECRET_KEY": SECRET_KEY,
        }

    def upload(self, folder: Path, prefix: str) -> None:
        for path in files_below(folder):
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            self.client.upload_file(str(path), BUCKET, key)

    def times(self, prefix: str) -> dict[str, str]:
        """Return when each object below a prefix was written, by its name there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{prefix}/"
        )
        return {
            item["Key"].removeprefix(f"{prefix}/"): item["LastModified"].isoformat()
            for page in pages
            for item in page.get("Contents", ())
        }

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def contents(self, prefix: str) -> dict[str, bytes]:
        """Return all objects below a prefix, by their names there."""
        return {name: self.read(f"{prefix}/{name}") for name in self.times(prefix)}


@dataclass(frozen=True)
class Project:
    """A folder in which the workflow is run as a user runs it."""

    folder: Path
    variables: Mapping[str, str]
    options: tuple[str, ...] = ()

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def write_config(self, content: dict) -> None:
        (self.folder / "config.yaml").write_text(yaml.safe_dump(content))

    def try_run(self, *options: str) -> subprocess.CompletedProcess:
        """Run snakemake; return what became of it."""
        return run_command(
            *("snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "2"),
            *(*self.options, *options),
            cwd=self.folder,
            timeout=1800,
            **self.variables,
        )

    def run(self, *options: str) -> str:
        """Run snakemake to its end, which must be a good one; return what it says."""
        run = self.try_run(*options)
        assert run.returncode == 0, run.stderr[-5000:]
        return run.stdout + run.stderr


def files_below(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".snakemake")
    )


def experiment(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what is of the first experiment alone."""
    return {n: content for n, content in files.items() if n.startswith("example/")}


def reproducible(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the results that are the same wherever they are made."""
    return {
        name: content
        for name, content in sorted(files.items())
        if not set(name.split("/")) & {*LEFT_BY_MACHINE, *RECORDS}
    }


def read_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files_below(folder)
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(unused_port(), tmp_path_factory.mktemp("s3") / "server.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def variables(server) -> dict[str, str]:
    """The environment of all runs; AWS is not to be asked for credentials."""
    return server.variables | {
        "SOURCE_DATE_EPOCH": "0",
        "OMP_WAIT_POLICY": "passive",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def on_files(server, variables, tmp_path_factory) -> Project:
    """A run on files of this machine; the bucket then has the data too."""
    project = Project(tmp_path_factory.mktemp("files"), variables)
    data = project.folder / DATA
    drawn = run_command("mmdet-flow start example", "--output", data, "--images", "14")
    assert drawn.returncode == 0, drawn.stderr
    server.upload(data, f"{PROJECT}/{DATA}")
    project.write_config(config(DATA))
    project.run()
    return project


@pytest.fixture(scope="session")
def on_urls(on_files, variables, tmp_path_factory) -> Project:
    """A run of one experiment, whose data are URLs; results are files here."""
    project = Project(tmp_path_factory.mktemp("urls"), variables)
    project.write_config(config(STORED_DATA, twin=False))
    project.run()
    return project


@pytest.fixture(scope="session")
def in_bucket(on_files, variables, tmp_path_factory) -> Project:
    """A run with data and results in the bucket, and nothing here before it."""
    options = (
        *("--default-storage-provider", "s3"),
        *("--default-storage-prefix", f"s3://{BUCKET}/{PROJECT}"),
    )
    project = Project(tmp_path_factory.mktemp("bucket"), variables, options)
    project.write_config(config(DATA))
    project.run()
    return project


@pytest.fixture
def elsewhere(in_bucket, tmp_path) -> Project:
    """Another machine with the same config, and nothing else."""
    shutil.copy(in_bucket.folder / "config.yaml", tmp_path)
    return Project(tmp_path, in_bucket.variables, in_bucket.options)
