"""The command, started as a user starts it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from mmdet_flow.serving.connection import embedded_server
from mmdet_flow.serving.names import check_names
from tests.conftest import (
    BIN,
    LOW_SCORE,
    command_of,
    run_command,
    the_error,
    unused_port,
)
from tests.serving.conftest import Channel, Running, Server, redis_servers, wait_until

PER_RUN = {"ms_queue", "ms_decode", "ms_infer", "worker", "request_id"}
SECRET = "only-for-us"


def test_answers_equal_batch_prediction(start, trained, redis_port, images, dataset):
    """Also: simple-redis-helper listens, and SIGTERM finishes what is in hand."""
    folder = trained.checkpoint.parent / "batch"
    run = run_command(
        *(
            "mmdet-flow predict",
            "--checkpoint",
            trained.checkpoint,
            "--score",
            LOW_SCORE,
        ),
        *("--prediction_in", dataset.images, "--prediction_out", folder),
        *("--keep_input", "--threads", "2"),
    )
    assert run.returncode == 0, run.stderr
    service = start(redis_port)
    heard = trained.checkpoint.parent / "heard"
    heard.mkdir()
    options = ("-p", str(redis_port), "-c", "predictions", "-D", "-o", str(heard))
    listener = subprocess.Popen([BIN / "srh-listen", *options])
    try:
        channel = Channel(redis_port)
        wait_until(lambda: channel.redis.pubsub_numpat() == 1)
        sent = [channel.send(content) for content in images]
        assert service.stop() == 0
        answers = [channel.receive(5) for _ in sent]
        wait_until(lambda: len([*heard.iterdir()]) == len(sent))
    finally:
        listener.kill()
        listener.wait()
    assert [answer["id"] for answer in answers] == sent
    files = sorted(dataset.images.iterdir())
    for path, answer in zip(files, answers, strict=True):
        batch = json.loads((folder / f"{path.stem}.json").read_text())
        assert set(answer["meta"]) >= PER_RUN
        for key in PER_RUN:
            del answer["meta"][key]
        assert answer["objects"] == batch["objects"] != []
        assert answer["meta"] == batch["meta"]
    written = sorted(json.loads(path.read_text())["id"] for path in heard.iterdir())
    assert written == sorted(sent)


@pytest.mark.slow
def test_an_image_that_takes_too_long_is_answered(start, redis_port, images):
    service = start(redis_port, "--max_seconds", "0.001")
    channel = Channel(redis_port)
    channel.send(images[0])
    assert channel.receive()["meta"]["error"] == "the image took more than 0.001 s"
    assert service.process.wait(30) == 5


def test_the_embedded_server_starts_and_ends_with_the_service(start, free_port):
    service = start(free_port, "--embedded_redis", "--max_messages", "1")
    channel = Channel(free_port)
    channel.send(b"no image")
    assert "error" in channel.receive()["meta"]
    assert service.process.wait(timeout=30) == 0
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=free_port, retry=None).ping()


EMBEDDED = """
import sys, time
from mmdet_flow.serving.connection import embedded_server
with embedded_server(int(sys.argv[1])):
    print("started", flush=True)
    time.sleep(60)
"""


def test_the_embedded_server_goes_with_a_process_that_is_killed(free_port):
    """And the next one starts at once, on the same port."""
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", EMBEDDED, str(free_port)], stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"started\n"
        client = redis.Redis(port=free_port, retry=None)
        server = client.info("server")["process_id"]
        client.set("key", "value")
        process.kill()
        process.wait()
        wait_until(lambda gone=server: not is_running(gone), seconds=5)


def test_the_embedded_server_outlives_a_ctrl_c_of_the_terminal(free_port):
    """What is in hand is answered over it."""
    with embedded_server(free_port):
        server = redis.Redis(port=free_port).info("server")["process_id"]
        assert os.getsid(server) != os.getsid(0)
    assert not is_running(server)


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    "options",
    [
        ("--redis_in", "same", "--redis_out", "same"),
        ("--redis_in", ""),
        ("--redis_front", "streams", "--redis_out", ""),
        ("--redis_front", "streams", "--redis_in", "predictions"),
        ("--redis_front", "streams", "--redis_out", "images:dead"),
        ("--redis_front", "streams", "--redis_out", "images:answered:1"),
        *(
            ("--redis_pattern", "--redis_in", pattern)
            for pattern in ("*", "pred*", "?redictions", "[op]redictions", r"pre\d*")
        ),
    ],
)
def test_answers_that_would_be_requests_are_refused(free_port, options, capsys):
    """Before a server is looked for."""
    arguments = ("--checkpoint", "any", "--redis_port", str(free_port), *options)
    assert command_of("serve")(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: redis_")


@pytest.mark.parametrize("pattern", ["images*", "*s?", r"p\*", "predictions[s]"])
def test_a_pattern_that_matches_no_answer_is_taken(pattern):
    check_names(pattern, "predictions", pattern=True)


@pytest.mark.parametrize("port", ["99999", "-1", "1.5"])
def test_a_port_that_is_none_is_refused(port, capsys):
    with pytest.raises(SystemExit, match="2"):
        command_of("serve")(["--checkpoint", "any", f"--redis_port={port}"])
    assert f"{port}" in capsys.readouterr().err


def test_no_server_is_one_line(tmp_path, free_port):
    run = run_command(
        *("mmdet-flow serve", "--checkpoint", "any", "--redis_port", free_port)
    )
    assert run.returncode == 5
    assert f"localhost:{free_port} does not answer" in the_error(run)
    assert ".;" not in the_error(run)


def test_an_embedded_server_on_a_port_that_is_taken_is_one_line(redis_port):
    run = run_command(
        *("mmdet-flow serve", "--checkpoint", "any", "--embedded_redis"),
        *("--redis_port", redis_port),
    )
    assert run.returncode == 5
    assert f"did not start on port {redis_port}" in the_error(run)


def test_a_wrong_model_is_one_line_and_not_exit_0(redis_port, tmp_path):
    run = run_command(
        *("mmdet-flow serve", "--checkpoint", tmp_path / "no.pth"),
        *("--redis_port", redis_port),
    )
    assert run.returncode == 4
    assert "no.pth: there is no such checkpoint" in the_error(run)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--redis_url", "http://somewhere"), "begin it with redis://"),
        (("--redis_url", f"redis://:{SECRET}@localhost"), "holds a password"),
        (("--redis_password_env", "NOT_SET"), "NOT_SET is not set"),
        (("--redis_password_file", "/not/there"), "No such file"),
        (("--health", "nowhere"), "write it as PORT or HOST:PORT"),
        (("--health", "99999"), "write it as PORT or HOST:PORT"),
    ],
)
def test_a_wrong_option_is_one_line(redis_port, options, expected):
    run = run_command(
        *("mmdet-flow serve", "--checkpoint", "any", "--redis_port", redis_port),
        *options,
    )
    assert run.returncode == 2
    assert expected in the_error(run) and SECRET not in run.stderr


def test_a_time_that_is_none_is_one_line(redis_port):
    run = run_command(
        *("mmdet-flow serve", "--checkpoint", "any", "--redis_port", redis_port),
        SOURCE_DATE_EPOCH="yesterday",
    )
    assert run.returncode == 2
    assert "SOURCE_DATE_EPOCH=yesterday: is not a number" in the_error(run)


RIGHTS = {
    "pubsub": ["+@connection", "+@pubsub"],
    "streams": ["+@connection", "+@read", "+@write", "+@scripting"],
}


@pytest.fixture
def locked_server(server):
    """A server that wants a password; its users may do what docs/serving.md says."""
    for name, rights in RIGHTS.items():
        server.client.acl_setuser(
            name,
            reset_channels=True,
            enabled=True,
            passwords=[f"+{SECRET}"],
            categories=rights,
            channels=["images", "predictions"],
            keys=["images", "images:*", "predictions"],
        )
    server.client.config_set("requirepass", "another")
    return server


@pytest.mark.parametrize("user", ["streams", "default"])
def test_a_wrong_password_is_one_line_without_it(locked_server, user):
    url = f"redis://{user}@localhost:{locked_server.port}"
    run = run_command(
        *("mmdet-flow serve", "--checkpoint", "any", "--redis_url", url),
        *("--verbose", "--redis_password_env", "PASSWORD"),
        PASSWORD="wrong-one",
    )
    assert run.returncode == 5
    assert f"localhost:{locked_server.port} refuses the password" in the_error(run)
    assert "wrong-one" not in run.stderr


@pytest.mark.parametrize("front", ["pubsub", "streams"])
def test_user_and_password_from_a_file(
    predictor, locked_server, images, tmp_path, front
):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    url = f"redis://{front}@localhost:{locked_server.port}"
    options = ("--redis_url", url, "--redis_password_file", tmp_path / "secret")
    client = redis.Redis(port=locked_server.port, username=front, password=SECRET)
    with Running(predictor, 0, "--redis_front", front, *options) as running:
        if front == "pubsub":
            client.publish("images", images[0])
        else:
            client.xadd("images", {"image": images[0]})
        running.has_answered(1)


def test_missing_rights_are_one_line(predictor, locked_server, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    url = f"redis://streams@localhost:{locked_server.port}"
    options = ("--redis_url", url, "--redis_password_file", tmp_path / "secret")
    with Running(predictor, 0, *options) as running:
        running.join()
        assert "refuses a command" in str(running.failure)
        assert running.failure.exit_code == 5
        running.failure = None


@pytest.mark.slow
@pytest.mark.skipif(
    "system" not in redis_servers() or not shutil.which("openssl"),
    reason="needs a redis-server with TLS, and openssl",
)
@pytest.mark.parametrize("front", ["pubsub", "streams"])
def test_tls(predictor, free_port, images, tmp_path, front):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    tls_port = unused_port()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    server = Server(
        *(redis_servers()["system"], free_port, tmp_path),
        *("--tls-port", tls_port, "--tls-cert-file", certificate),
        *("--tls-key-file", key, "--tls-ca-cert-file", certificate),
        *("--tls-auth-clients", "no"),
    )
    url = f"rediss://localhost:{tls_port}/0"
    try:
        trusted = f"{url}?ssl_ca_certs={certificate}"
        options = ("--redis_front", front, "--redis_url", trusted)
        with Running(predictor, 0, *options) as running:
            if front == "pubsub":
                server.client.publish("images", images[0])
            else:
                server.client.xadd("images", {"image": images[0]})
            running.has_answered(1)
        refused = run_command(
            *("mmdet-flow serve", "--checkpoint", "any", "--redis_url", url)
        )
        assert "certificate verify failed" in the_error(refused)
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("front", ["pubsub", "streams"])
def test_memory_stays_flat_under_load(start, redis_port, dataset, front):
    service = start(redis_port, "--redis_front", front)
    options = ("--redis-port", redis_port, "--redis-front", front)
    memory = []
    for _ in range(4):
        load = run_command(
            *("mmdet-flow redis load", "--images", dataset.images, "--seconds", 10),
            *options,
        )
        assert load.returncode == 0, load.stdout
        memory.append(resident_megabytes(service.process.pid))
    # The first round fills caches and pools; a leak of images would be far more.
    assert memory[-1] - memory[0] < 40, memory


def resident_megabytes(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
