import hashlib
import json
import signal
import subprocess
import time

import pytest
import redis

from tests.conftest import BIN, LOW_SCORE, assert_valid_opex, run_command, the_error

PER_RUN = {"ms_queue", "ms_infer"}


class Client:
    """A service process and a client of it, over a real server."""

    def __init__(self, trained, port, *options) -> None:
        self.process = subprocess.Popen(
            [
                *(BIN / "mmdet_predict_redis", "--checkpoint", str(trained.checkpoint)),
                *("--redis_host", "127.0.0.1", "--redis_port", str(port)),
                *("--score", str(LOW_SCORE), "--threads", "2", *map(str, options)),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            if "ready:" in line:
                break
        self.redis = redis.Redis(port=port)
        self.answers = self.redis.pubsub(ignore_subscribe_messages=True)
        self.answers.subscribe("predictions")
        self.answers.get_message(timeout=5)
        deadline = time.monotonic() + 10
        while not self.redis.pubsub_numsub("images")[0][1]:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def send(self, content: bytes) -> None:
        self.redis.publish("images", content)

    def receive(self, seconds=60) -> dict:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self.answers.get_message(timeout=1)
            if message:
                return assert_valid_opex(message["data"])
        raise AssertionError("no answer")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@pytest.fixture
def client(trained, redis_port):
    client = Client(trained, redis_port)
    yield client
    client.process.kill()
    client.process.wait()


def test_the_answer_equals_the_batch_prediction(client, trained, dataset, tmp_path):
    image = sorted(dataset.images.iterdir())[0]
    (tmp_path / "list.txt").write_text(image.name)
    run = run_command(
        *("mmdet_predict", "--checkpoint", trained.checkpoint, "--score", LOW_SCORE),
        *("--prediction_in", dataset.images, "--image_list", tmp_path / "list.txt"),
        *("--prediction_out", tmp_path, "--keep_input", "--threads", "2"),
    )
    assert run.returncode == 0, run.stderr
    batch = json.loads((tmp_path / f"{image.stem}.json").read_text())
    client.send(image.read_bytes())
    answer = client.receive()
    assert answer["id"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert set(answer["meta"]) >= PER_RUN
    for key in PER_RUN:
        del answer["meta"][key]
    assert answer["objects"] == batch["objects"] != []
    assert answer["meta"] == batch["meta"]


@pytest.mark.parametrize("content", [b"", b"some text", b"\xff\xd8\xff" + b"x" * 999])
def test_a_broken_image_is_answered_and_the_next_is_served(client, dataset, content):
    client.send(content)
    answer = client.receive()
    assert answer["objects"] == [] and "the image" in answer["meta"]["error"]
    assert answer["id"] == hashlib.sha256(content).hexdigest()
    client.send(next(dataset.images.iterdir()).read_bytes())
    assert "error" not in client.receive()["meta"]


def test_sigterm_finishes_what_is_in_hand(client, dataset):
    images = [path.read_bytes() for path in sorted(dataset.images.iterdir())]
    for content in images:
        client.send(content)
    time.sleep(0.2)  # received, and hardly one of them predicted
    assert client.stop() == 0
    answered = [client.receive(5)["id"] for _ in images]
    assert answered == [hashlib.sha256(content).hexdigest() for content in images]


def test_it_survives_a_restart_of_the_server(trained, dataset, free_port):
    from mmdet_flow.serving.connection import embedded_server

    image = next(dataset.images.iterdir()).read_bytes()
    with embedded_server(free_port):
        client = Client(trained, free_port)
    try:
        with embedded_server(free_port):
            probe = redis.Redis(port=free_port)
            deadline = time.monotonic() + 30
            while not probe.pubsub_numsub("images")[0][1]:
                assert time.monotonic() < deadline, "did not subscribe again"
                time.sleep(0.1)
            answers = probe.pubsub(ignore_subscribe_messages=True)
            answers.subscribe("predictions")
            answers.get_message(timeout=5)
            probe.publish("images", image)
            client.answers = answers
            assert client.receive()["objects"]
            assert client.stop() == 0
    finally:
        client.process.kill()


def test_simple_redis_helper_gets_an_answer(client, dataset, tmp_path):
    port = str(client.redis.connection_pool.connection_kwargs["port"])
    image = next(dataset.images.iterdir())
    subprocess.run(
        [BIN / "srh-broadcast", "-p", port, "-c", "images", "-f", image, "-b"],
        check=True,
        capture_output=True,
    )
    assert client.receive()["objects"]


def test_no_server_is_one_line(trained, free_port):
    run = run_command(
        *("mmdet_predict_redis", "--checkpoint", trained.checkpoint),
        *("--redis_port", free_port),
    )
    assert run.returncode == 5
    assert f"localhost:{free_port} does not answer" in the_error(run)


def test_a_wrong_model_is_one_line_and_not_exit_0(redis_port, tmp_path):
    run = run_command(
        *("mmdet_predict_redis", "--checkpoint", tmp_path / "no.pth"),
        *("--redis_port", redis_port),
    )
    assert run.returncode == 4
    assert "no.pth: there is no such checkpoint" in the_error(run)


def test_the_embedded_server_starts_and_ends_with_the_service(trained, free_port):
    client = Client(trained, free_port, "--embedded_redis", "--max_messages", "1")
    client.send(b"no image")
    assert "error" in client.receive()["meta"]
    assert client.process.wait(timeout=30) == 0
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=free_port).ping()
