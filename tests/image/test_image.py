"""The image: what is in it, and the workflow and its commands as any user."""

import json
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
import redis

from tests.conftest import ROOT, assert_valid_opex
from tests.image.conftest import USER, Workspace
from tests.image.podman import IMAGE, SOURCE, podman, run

pytestmark = [pytest.mark.image, pytest.mark.usefixtures("image")]

PREDICT = (
    *("mmdet-flow predict", "--checkpoint", "model.pth", "--score", "0.3"),
    *("--prediction_in", "in", "--prediction_out", "out", "--keep_input"),
)
"""Predict what is in in/ into out/."""

SLIM_MODULES = "torch, mmcv.ops, mmdet.apis, openvino, pandas, pyarrow.parquet"


def opex_in(workspace: Workspace) -> dict[str, dict]:
    """Return the predictions of a folder, checked, by the name of the file."""
    files = (workspace.folder / "out").glob("*.json")
    return {path.name: assert_valid_opex(path.read_text()) for path in files}


def in_shell(script: str):
    return run("bash", "-c", script)


def test_labels_and_no_entrypoint():
    [described] = json.loads(podman("image", "inspect", IMAGE).stdout)
    labels = described["Labels"]
    prefix = "org.opencontainers.image"
    revision = subprocess.run(
        ("git", "rev-parse", "HEAD"), cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    assert labels[f"{prefix}.title"] == "mmdet-flow"
    assert labels[f"{prefix}.licenses"] == "Apache-2.0"
    assert labels[f"{prefix}.version"] == "0.1.0"
    assert labels[f"{prefix}.revision"].removesuffix("-dirty") == revision.strip()
    assert labels[f"{prefix}.source"] == SOURCE
    assert "MMDetection" in labels[f"{prefix}.description"]
    assert not described["Config"].get("Entrypoint")


def test_the_bill_of_materials_names_what_is_there():
    bill = json.loads(run("cat", "/opt/mmdet-flow/sbom.cdx.json").stdout)
    assert bill["bomFormat"] == "CycloneDX"
    versions = {item["name"].lower(): item["version"] for item in bill["components"]}
    locked = dict(
        line.lower().split("==")
        for line in (ROOT / "envs/main.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    for name in ("mmdet", "mmcv", "mmengine", "snakemake", "openvino"):
        assert versions[name] == locked[name]
    assert versions["torch"].removesuffix("+cpu") == locked["torch"]
    assert versions["wai.annotations.core"] and versions["mmdet-flow"] == "0.1.0"
    debian = in_shell("dpkg-query -W -f '${Package}\\n'").stdout.split()
    assert "python3.11" in debian and set(debian) <= set(versions)
    assert not {"pip", "pytest", "ruff", "g++"} & set(versions)


def test_what_builds_and_tests_stayed_behind():
    tools = "cc c++ gcc g++ cpp ld as make git pip pip3 ninja pytest ruff snakefmt"
    assert in_shell(f"type -P {tools} || true").stdout == ""
    in_shell(
        "cd /opt/mmdet-flow && test ! -e tests && test ! -e .git && test ! -e Makefile"
    )


def test_every_command_has_help():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    told = in_shell(
        f"for c in {' '.join(scripts)} snakemake wai-annotations; do"
        ' "$c" --help >/tmp/help && grep -qiE "usage|commands" /tmp/help && echo "$c";'
        " done"
    )
    assert told.stdout.split() == [*scripts, "snakemake", "wai-annotations"]


def test_what_is_imported_has_its_bytecode():
    """A read-only root cannot keep it, and each command would compile again."""
    script = (
        f"import sys, pathlib, {SLIM_MODULES}\n"
        "cached = [getattr(m, '__cached__', 0) for m in list(sys.modules.values())]\n"
        "cached = [c for c in cached if isinstance(c, str)]\n"
        "missing = [c for c in cached if not pathlib.Path(c).exists()]\n"
        "print(len(cached), *missing)"
    )
    count, *missing = run("python", "-c", script).stdout.split()
    assert int(count) > 1000 and len(missing) < 0.02 * int(count), missing


def test_the_example_runs_to_its_end(example):
    results = example.folder / "results/example"
    assert "mAP" in (results / "summary.txt").read_text()
    tested = (results / "splits/test.txt").read_text().split()
    opex = list(results.glob("predictions/shard-*/opex/*.json"))
    assert len(opex) == len(tested) > 0
    assert any(assert_valid_opex(path.read_text())["objects"] for path in opex)
    assert {path.stat().st_uid for path in example.files()} == {USER}
    made = {path.name for path in example.folder.iterdir()}
    assert made == {".snakemake", "config.yaml", "data", "logs", "results"}
    assert {"mmdet-flow", "matplotlib", "snakemake"} <= {
        path.name for path in example.cache.iterdir()
    }


def test_nothing_is_made_twice(example):
    told = example.run("snakemake", "--cores", "2")
    assert "Nothing to be done" in told.stdout + told.stderr


def test_a_folder_is_predicted_and_the_second_start_uses_the_cache(workspace):
    def predict() -> tuple[float, dict[Path, int]]:
        workspace.run(*PREDICT)
        kept = [path for path in workspace.cache.rglob("*") if path.is_file()]
        return {path: path.stat().st_mtime_ns for path in kept}

    kept = predict()
    results = opex_in(workspace)
    assert len(results) == 4 and any(opex["objects"] for opex in results.values())
    assert {path.stat().st_uid for path in workspace.files()} == {USER}
    assert any(path.suffix == ".xml" for path in kept)
    for path in (workspace.folder / "out").iterdir():
        path.unlink()
    assert predict() == kept
    without_clock = [
        {name: opex["objects"] for name, opex in found.items()}
        for found in (results, opex_in(workspace))
    ]
    assert without_clock[0] == without_clock[1]


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        (("--env=HOME=/nonexistent", "--env=USER=somebody"), ()),
        (("--env=HOME=/root",), ()),  # there, but not for this user
        ((), ("env", "-u", "HOME", "-u", "USER")),
        (("--read-only-tmpfs=false", "--tmpfs=/tmp"), ()),  # as in Docker
        (("--read-only-tmpfs=false",), ()),
    ],
)
def test_without_a_home_and_without_a_cache(workspace, options, prefix):
    workspace.run(*prefix, *PREDICT, options=options, cache=False)
    assert len(opex_in(workspace)) == 4
    assert {path.name for path in workspace.folder.iterdir()} == {
        "in",
        "out",
        "model.pth",
    }


@pytest.mark.parametrize(
    "options",
    [("--env=HOME=/nonexistent",), ("--read-only-tmpfs=false", "--tmpfs=/tmp")],
)
def test_snakemake_without_a_home_and_without_a_cache(example, options):
    told = example.run("snakemake", "-n", options=options, cache=False)
    assert "Nothing to be done" in told.stdout + told.stderr


def test_packages_of_a_home_are_not_seen(workspace):
    package = "home/.local/lib/python3.11/site-packages/numpy/__init__.py"
    workspace.put(package, b"raise SystemExit('the wrong numpy')")
    home = "--env=HOME=/workspace/home"
    workspace.run("python", "-c", "import numpy; numpy.arange(3)", options=(home,))
    # It would be seen otherwise.
    seen = workspace.run(
        *("env", "-u", "PYTHONNOUSERSITE", "/usr/bin/python3", "-c", "import numpy"),
        options=(home,),
        check=False,
    )
    assert "the wrong numpy" in seen.stderr


def test_one_line_where_there_is_no_config(tmp_path):
    told = Workspace.make(tmp_path).run("snakemake", "--cores", "1", check=False)
    assert told.returncode == 1
    assert "config.yaml" in told.stderr.strip().splitlines()[-1]
    assert "Traceback" not in told.stderr


@pytest.fixture
def service(workspace, redis_port):
    """The Redis service in the image, and a server on the host."""
    name = f"mmdet-flow-test-{redis_port}"
    podman(
        *("run", "--detach", "--name", name, "--network=host", "--read-only"),
        *("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"),
        *("--user=1234:1234", f"--volume={workspace.folder}:/workspace", IMAGE),
        *("mmdet-flow serve", "--checkpoint", "model.pth", "--score", "0.3"),
        *("--redis_port", redis_port),
    )
    try:
        yield name
    finally:
        podman("rm", "--force", "--volumes", name)


def test_redis_on_the_host_and_a_stop(service, workspace, redis_port):
    client = redis.Redis(port=redis_port, socket_timeout=60)
    until = time.monotonic() + 60
    while not client.pubsub_numsub("images")[0][1]:
        assert time.monotonic() < until, podman("logs", service).stderr
        time.sleep(0.2)
    image = next((workspace.folder / "in").iterdir())
    with client.pubsub(ignore_subscribe_messages=True) as replies:
        replies.subscribe("predictions")
        assert client.publish("images", image.read_bytes()) == 1
        while not (message := replies.get_message(timeout=30)):
            assert time.monotonic() < until, podman("logs", service).stderr
    answer = assert_valid_opex(message["data"].decode())
    workspace.run(*PREDICT)
    assert answer["objects"] == opex_in(workspace)[f"{image.stem}.json"]["objects"]
    podman("stop", "--time=30", service)
    [state] = json.loads(podman("inspect", service).stdout)
    assert state["State"]["ExitCode"] == 0, podman("logs", service).stderr
