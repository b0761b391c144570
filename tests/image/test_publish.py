"""make publish, to a registry on this machine."""

import json
import os
import subprocess
import urllib.request

import pytest

from tests.conftest import ROOT
from tests.image.podman import BASE, PODMAN, podman
from tests.serving.conftest import wait_until

pytestmark = [pytest.mark.image, pytest.mark.usefixtures("image")]


@pytest.fixture
def registry(tmp_path, free_port) -> str:
    """An empty registry on loopback, without TLS."""
    address = f"127.0.0.1:{free_port}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "store")}},
        "http": {"addr": address},
    }
    path = tmp_path / "config.yml"
    path.write_text(json.dumps(config))
    server = subprocess.Popen(
        ("docker-registry", "serve", path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(address), what="the registry does not answer")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def get(address: str, path: str) -> bytes:
    with urllib.request.urlopen(f"http://{address}/v2/{path}", timeout=5) as answer:
        return answer.read()


def answers(address: str) -> bool:
    try:
        get(address, "")
    except OSError:
        return False
    return True


def test_the_image_is_in_the_registry_under_its_tag(registry, tmp_path):
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    variables = {
        "ENGINE": " ".join(PODMAN),
        "IMAGE": BASE,  # a small one will do
        "REGISTRY": f"{registry}/vision",
        "TAG": "0.1.0-test",
    }
    subprocess.run(
        ("make", "publish", *(f"{name}={value}" for name, value in variables.items())),
        cwd=ROOT,
        env=os.environ | {"CONTAINERS_REGISTRIES_CONF": str(conf)},
        check=True,
    )
    podman("rmi", f"{registry}/vision/mmdet-flow:0.1.0-test")
    listed = json.loads(get(registry, "vision/mmdet-flow/tags/list"))
    assert listed == {"name": "vision/mmdet-flow", "tags": ["0.1.0-test"]}


def test_a_registry_is_asked_for():
    run = subprocess.run(
        ("make", "publish", "ENGINE=false"), cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 2 and "name the registry" in run.stderr
