"""The pub/sub front, with real servers and a real model."""

import struct
import threading
import time
import zlib

import pytest
import redis

from mmdet_flow.serving.clients import PubSubClient
from mmdet_flow.serving.connection import Connection
from mmdet_flow.serving.fronts import PubSub
from mmdet_flow.serving.inbox import Inbox
from mmdet_flow.serving.metrics import Metrics
from mmdet_flow.serving.pubsub import PubSubFront
from tests.conftest import run_command, unused_port
from tests.serving.conftest import Channel, Running, wait_until


@pytest.mark.parametrize("content", [b"", b"some text", b"\xff\xd8\xff" + b"x" * 999])
def test_a_broken_image_is_answered_and_the_next_is_served(
    predictor, redis_port, images, content
):
    with Running(predictor, redis_port) as running:
        channel = Channel(redis_port)
        name = channel.send(content)
        answer = channel.receive()
        assert answer["objects"] == [] and "the image" in answer["meta"]["error"]
        assert answer["id"] == answer["meta"]["request_id"] == name
        channel.send(images[0])
        assert "error" not in channel.receive()["meta"]
        running.has_answered(ok=1, error=1)


def test_a_message_above_the_limit_is_refused(predictor, redis_port, images):
    with Running(predictor, redis_port, "--max_bytes", 100_000) as running:
        channel = Channel(redis_port)
        channel.send(bytes(20_000_000))
        error = channel.receive()["meta"]["error"]
        assert error == "the image has 20000000 bytes; the limit is 100000"
        channel.send(images[0])
        assert "error" not in channel.receive()["meta"]
        assert running.metric("drops_total", reason="too_large") == 1


def test_an_image_bomb_is_refused(predictor, redis_port, images):
    """Some bytes that say that they are 30000 x 30000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    with Running(predictor, redis_port):
        channel = Channel(redis_port)
        data = struct.pack(">I", 100) + b"IDAT" + bytes(104)
        channel.send(b"\x89PNG\r\n\x1a\n" + checked + data)
        error = channel.receive(2)["meta"]["error"]
        assert error.startswith("the image has 30000 x 30000 pixels, more than")
        channel.send(images[0])
        assert "error" not in channel.receive()["meta"]


@pytest.mark.parametrize("policy", ["drop-new", "drop-oldest", "block"])
def test_every_image_of_an_overflow_is_answered(predictor, server, images, policy):
    options = ("--max_queue", 4, "--when_full", policy)
    with Running(predictor, server.port, *options) as running:
        channel = Channel(server.port)
        contents = [images[n % len(images)] + str(n).encode() for n in range(40)]
        sent = [channel.send(content) for content in contents]
        answers = [channel.receive() for _ in sent]
        assert sorted(answer["id"] for answer in answers) == sorted(sent)
        refused = [a["id"] for a in answers if "error" in a["meta"]]
        assert running.metric("received_total") == 40
        running.has_answered(40 - len(refused), len(refused))
        assert running.metric("drops_total", reason="queue_full") == len(refused)
        assert bool(refused) == (policy != "block")
        if policy == "drop-oldest":
            assert sent[-1] not in refused
        assert channel.hears_nothing()


@pytest.mark.slow
def test_a_burst_does_not_make_the_server_drop_us(predictor, server, large_image):
    """More than the 32 MB that a server keeps for a subscriber, all at once."""
    with Running(predictor, server.port, "--max_queue", 2) as running:
        channel = Channel(server.port)
        for _ in range(10):
            channel.send(large_image)
        answers = [channel.receive() for _ in range(10)]
        refused = sum("error" in answer["meta"] for answer in answers)
        running.has_answered(10 - refused, refused)
        assert running.metric("reconnects_total") == 0


def test_a_listener_that_does_not_read_holds_nobody_up(predictor, server, images):
    with Running(predictor, server.port) as running:
        lazy = redis.Redis(port=server.port).pubsub()
        lazy.subscribe("predictions")
        for number in range(40):
            server.client.publish("images", images[number % len(images)])
        running.has_answered(40)


def test_a_killed_server_is_found_again(predictor, server, images):
    with Running(predictor, server.port) as running:
        channel = Channel(server.port)
        channel.send(images[0])
        channel.receive()
        server.kill()
        wait_until(lambda: "does not answer" in running.service.why_not_ready())
        server.start()
        wait_until(lambda: server.client.pubsub_numsub("images")[0][1] == 1)
        channel = Channel(server.port)
        channel.send(images[1])
        assert channel.receive()["objects"]
        assert running.metric("reconnects_total") >= 1
        assert running.service.why_not_ready() == ""


def test_an_answer_waits_for_the_server(predictor, server, images):
    """The server is killed while an image is in hand."""
    with Running(predictor, server.port) as running:
        for _ in range(20):
            server.client.publish("images", images[0])
        wait_until(lambda: running.metric("received_total") == 20)
        server.kill()
        server.start()
        running.has_answered(20)


@pytest.mark.parametrize("front", ["pubsub", "streams"])
def test_a_server_that_stays_away_ends_the_service(predictor, server, front):
    options = ("--redis_front", front, "--max_outage", 0.5)
    with Running(predictor, server.port, *options) as running:
        server.kill()
        running.join(20)
        assert "was away for more than 0.5 s" in str(running.failure)
        assert running.failure.exit_code == 5
        running.failure = None
        server.start()


@pytest.mark.parametrize("front", ["pubsub", "streams"])
def test_it_stops_soon_while_the_server_is_away(predictor, server, front):
    with Running(predictor, server.port, "--redis_front", front) as running:
        server.kill()
        wait_until(lambda: running.service.why_not_ready() != "")
        time.sleep(1)  # the pauses between attempts grow
        running.service.stop()
        running.join(10)
        server.start()


def test_a_stop_ends_the_wait_for_a_server_that_never_came():
    """Between the look at the server and the subscription it may go."""
    front = PubSubFront(
        Connection(f"redis://localhost:{unused_port()}"),
        PubSub("images", "predictions", False, 0.01, 4, "block"),
    )
    stop, ready = threading.Event(), threading.Event()
    stop.set()
    inbox = Inbox(4, "block", 1000, stop, Metrics())
    front.receive(inbox, stop, ready.set)
    assert not ready.is_set() and len(inbox) == 0


def test_a_connection_cut_in_a_message_is_made_again(
    predictor, server, proxy, images, large_image
):
    with Running(predictor, proxy.port) as running:
        channel = Channel(server.port)
        proxy.cut_after = 2_000_000
        channel.send(large_image)
        wait_until(lambda: proxy.cuts == 1 and running.metric("reconnects_total") == 1)
        wait_until(lambda: server.client.pubsub_numsub("images")[0][1] == 1)
        channel.send(images[0])
        assert channel.receive()["objects"]
        channel.send(large_image)
        assert "error" not in channel.receive()["meta"]


@pytest.mark.parametrize("slow", ["service", "client"])
def test_a_message_that_pauses_in_its_middle_is_heard(
    predictor, server, proxy, images, slow
):
    """Longer than the service and the client wait for one to begin."""
    proxy.pause = 0.3
    ports = {"service": server.port, "client": server.port, slow: proxy.port}
    with Running(predictor, ports["service"]) as running:
        connection = Connection(f"redis://localhost:{ports['client']}")
        client = PubSubClient(connection, "images", "predictions")
        sent = [client.send(image, "") for image in images[:4]]
        heard: list[str] = []

        def hear() -> bool:
            heard.extend(name for name, _ in client.receive(0.05))
            return len(heard) == len(sent)

        wait_until(hear)
        assert sorted(heard) == sorted(sent)
        assert proxy.pauses >= len(sent)
        assert running.metric("reconnects_total") == 0
        client.close()


def test_a_client_cut_in_a_message_does_no_harm(
    predictor, server, proxy, images, large_image
):
    with Running(predictor, server.port) as running:
        proxy.cut_after = 2_000_000
        with pytest.raises(redis.ConnectionError):
            redis.Redis(port=proxy.port, retry=None).publish("images", large_image)
        channel = Channel(server.port)
        channel.send(images[0])
        assert channel.receive()["objects"]
        assert running.metric("received_total") == 1


def test_a_channel_is_no_pattern_unless_asked(predictor, redis_port, images):
    name = "im[a]ges*?"
    with Running(predictor, redis_port, "--redis_in", name):
        Channel(redis_port, "images-1").send(images[0])
        channel = Channel(redis_port, name)
        sent = channel.send(images[1])
        assert channel.receive()["id"] == sent
        assert channel.hears_nothing()
    with Running(predictor, redis_port, "--redis_in", name, "--redis_pattern"):
        channel = Channel(redis_port, "images-1")
        sent = channel.send(images[0])
        assert channel.receive()["id"] == sent


def test_what_is_left_after_the_grace_is_answered(predictor, redis_port, images):
    with Running(predictor, redis_port, "--grace", 0) as running:
        channel = Channel(redis_port)
        sent = [channel.send(images[0]) for _ in range(60)]
        wait_until(lambda: running.metric("received_total") == 60)
        running.service.stop()
        running.join()
        answers = [channel.receive() for _ in sent]
        errors = {a["meta"].get("error") for a in answers}
        assert errors == {None, "the service stops; send again"}
        assert channel.hears_nothing()


def test_it_ends_by_itself_when_told_to(predictor, redis_port, images):
    with Running(predictor, redis_port, "--max_messages", 5) as running:
        channel = Channel(redis_port)
        for content in images[:8]:
            channel.send(content)
        running.join(20)
        assert running.answered == 5
    with Running(predictor, redis_port, "--idle_timeout", 0.5) as running:
        channel.send(images[0])
        running.join(20)
        assert running.answered == 1


def test_simple_redis_helper_gets_an_answer(predictor, redis_port, dataset):
    with Running(predictor, redis_port):
        channel = Channel(redis_port)
        image = next(dataset.images.iterdir())
        options = ("-p", redis_port, "-c", "images", "-f", image, "-b")
        assert run_command("srh-broadcast", *options).returncode == 0
        assert channel.receive()["objects"]
