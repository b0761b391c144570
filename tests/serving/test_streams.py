"""The streams front, with real servers, a real model and real deaths."""

import time
from dataclasses import dataclass
from functools import partial

import pytest

from mmdet_flow.inference.predictor import Prediction, Predictor
from tests.conftest import run_command, the_error
from tests.serving.conftest import Channel, Running, Stream, wait_until

STREAMS = ("--redis_front", "streams")
SOON = (*STREAMS, "--claim_after", 1)


@pytest.fixture
def stream(server) -> Stream:
    return Stream(server.port)


def test_both_fronts_give_the_same_opex(predictor, server, stream, images):
    with Running(predictor, server.port):
        channel = Channel(server.port)
        channel.send(images[0])
        over_pubsub = channel.receive()
    stream.send(images[0], "my image", reply_to="mine")
    with Running(predictor, server.port, *STREAMS) as running:
        running.has_answered(1)
        (over_streams,) = stream.answers("mine")
    assert over_streams["id"] == over_streams["meta"]["request_id"] == "my image"
    assert over_streams["objects"] == over_pubsub["objects"] != []
    assert set(over_streams["meta"]) == set(over_pubsub["meta"])
    assert 0 < server.client.ttl("mine") <= 86400
    assert stream.is_empty() and not server.client.exists("predictions")
    # The worker left the group, since it left nothing behind.
    assert server.client.xinfo_consumers("images", "mmdet") == []


def test_a_request_without_an_id_has_that_of_its_entry(predictor, redis_port, images):
    stream = Stream(redis_port)
    entry = stream.send(images[0])
    with Running(predictor, redis_port, *STREAMS):
        assert [answer["id"] for answer in stream.wait_for(1)] == [entry]


def test_what_cannot_be_predicted_is_answered(predictor, redis_port, images, tmp_path):
    stream = Stream(redis_port)
    (tmp_path / "inside.png").write_bytes(images[0])
    paths = ("inside.png", "missing.png", "../outside.png", "nul\0")
    stream.send(images[0], "late", deadline_ms="0")
    stream.redis.xadd("images", {"id": "nothing", "what": "ever"})
    for name, content in (("empty", b""), ("text", b"some text")):
        stream.send(content, name)
    for path in paths:
        stream.redis.xadd("images", {"id": path, "path": path})
    with Running(predictor, redis_port, *STREAMS, "--image_root", tmp_path) as running:
        running.has_answered(ok=1, error=7)
        answers = {answer["id"]: answer for answer in stream.answers()}
    errors = {name: answer["meta"].get("error") for name, answer in answers.items()}
    assert errors == {
        "late": "the deadline has passed",
        "empty": "the image is empty (0 bytes); send the content of a file",
        "text": errors["text"],
        "nothing": "the request has neither image nor path",
        "inside.png": None,
        "missing.png": errors["missing.png"],
        "../outside.png": "the path leaves the folder of the images",
        "nul\0": "the path cannot be read: embedded null byte",
    }
    assert "cannot be decoded" in errors["text"]
    assert "No such file" in errors["missing.png"]
    assert stream.is_empty()


def test_without_a_folder_no_path_is_read(predictor, redis_port):
    stream = Stream(redis_port)
    stream.redis.xadd("images", {"path": "/etc/hostname"})
    with Running(predictor, redis_port, *STREAMS):
        (answer,) = stream.wait_for(1)
    assert answer["meta"]["error"] == "the request has a path; this service reads none"


def test_a_request_sent_twice_is_answered_once(predictor, server, stream, images):
    with Running(predictor, server.port, *STREAMS) as running:
        stream.send(images[0], "one")
        stream.send(images[0], "one")
        stream.send(images[1], "one")  # another image under the same id
        wait_until(lambda: running.metric("suppressed_total") == 1)
        running.has_answered(2)
        assert stream.ids() == ["one", "one"] and stream.is_empty()


def test_a_reply_to_that_is_no_stream_ends_in_the_dead_letters(
    predictor, server, stream, images
):
    server.client.set("text", "of somebody")
    stream.send(images[0], "wrong", reply_to="text")
    stream.send(images[0], "right")
    with Running(predictor, server.port, *STREAMS) as running:
        running.has_answered(ok=1, error=1)
        wrong, right = stream.answers()
        assert wrong["meta"]["error"] == "reply_to 'text' is no stream"
        assert right["id"] == "right" and stream.is_empty()
        ((_, letter),) = server.client.xrange("images:dead")
        assert letter[b"error"] == b"reply_to 'text' is no stream"
        assert letter[b"image"] == images[0]
        assert running.metric("dead_letters_total") == 1
    assert server.client.get("text") == b"of somebody"


def test_two_replicas_share_the_work(predictor, server, stream, images):
    names = stream.send_all(images, 60)
    with (
        Running(predictor, server.port, *STREAMS) as left,
        Running(predictor, server.port, *STREAMS) as right,
    ):
        answers = stream.wait_for(60)
        assert sorted(answer["id"] for answer in answers) == sorted(names)
        metrics = [
            partial(r.metric, "answered_total", status="ok") for r in (left, right)
        ]
        wait_until(lambda: sum(metric() for metric in metrics) == 60)
        assert min(metric() for metric in metrics) > 0
        assert len({answer["meta"]["worker"] for answer in answers}) == 2
    assert stream.is_empty()


@dataclass
class Slow:
    """A predictor that takes some seconds more for a batch."""

    predictor: Predictor
    seconds: float

    @property
    def detector(self):
        return self.predictor.detector

    def predict(self, images) -> list[Prediction]:
        time.sleep(self.seconds)
        return self.predictor.predict(images)


@pytest.mark.slow
def test_a_slow_worker_keeps_what_it_has_in_hand(predictor, server, stream, images):
    """A batch takes longer than the time after which requests are taken over."""
    names = stream.send_all(images, 16)
    options = (*STREAMS, "--claim_after", 3, "--max_batch", 4)
    with (
        Running(Slow(predictor, 4), server.port, *options) as left,
        Running(Slow(predictor, 4), server.port, *options) as right,
    ):
        assert sorted(a["id"] for a in stream.wait_for(16)) == sorted(names)
        assert left.metric("redeliveries_total") == 0
        assert right.metric("redeliveries_total") == 0


def test_a_killed_server_loses_nothing(predictor, server, stream, images):
    with Running(predictor, server.port, *SOON) as running:
        names = stream.send_all(images, 50)
        wait_until(lambda: server.client.xlen("predictions") > 5)
        server.kill()
        time.sleep(3)  # long enough for the service to notice on a busy machine
        server.start()
        answers = stream.wait_for(50)
        assert sorted(answer["id"] for answer in answers) == sorted(names)
        wait_until(stream.is_empty)
        # All may have been read before, and the reader may still be on its way back.
        wait_until(lambda: running.metric("reconnects_total") >= 1)


def test_a_server_that_forgot_everything_is_served_again(
    predictor, server, stream, images
):
    with Running(predictor, server.port, *STREAMS):
        stream.send(images[0], "before")
        stream.wait_for(1)
        server.client.flushall()
        stream.send(images[0], "after")
        assert [answer["id"] for answer in stream.wait_for(1)] == ["after"]


def test_requests_cut_off_on_their_way_come_again(
    predictor, server, proxy, stream, images, large_image
):
    with Running(predictor, proxy.port, *SOON) as running:
        stream.send(images[0], "small")
        stream.wait_for(1)
        proxy.cut_after = 2_000_000
        stream.send(large_image, "large")
        stream.send(images[0], "next")
        answers = stream.wait_for(3)
        assert sorted(a["id"] for a in answers) == ["large", "next", "small"]
        assert proxy.cuts == 1 and running.metric("redeliveries_total") >= 1
    assert stream.is_empty()


def test_a_worker_that_leaves_takes_nothing_with_it(
    predictor, server, proxy, stream, images, large_image
):
    """A request that was cut off on its way to it is delivered to the next."""
    with Running(predictor, proxy.port, *STREAMS):
        proxy.cut_after = 2_000_000
        stream.send(large_image, "large")
        wait_until(lambda: proxy.cuts == 1)
    assert stream.redis.xpending("images", "mmdet")["pending"] == 1
    time.sleep(1)
    with Running(predictor, server.port, *SOON):
        assert [answer["id"] for answer in stream.wait_for(1)] == ["large"]
        wait_until(stream.is_empty)


def test_a_deleted_request_stops_nobody(predictor, server, stream, images):
    """What a worker had in hand when it died was deleted by its sender since."""
    stream.redis.xgroup_create("images", "mmdet", "0", mkstream=True)
    for name in ("deleted", "kept"):
        stream.send(images[0], name)
    read = stream.redis.xreadgroup("mmdet", "dead worker", {"images": ">"})
    stream.redis.xdel("images", read[0][1][0][0])
    time.sleep(1)
    with Running(predictor, server.port, *SOON):
        assert [answer["id"] for answer in stream.wait_for(1)] == ["kept"]
        wait_until(stream.is_empty)


def test_sigkill_with_50_images_in_flight(
    predictor, server, stream, images, start, free_port
):
    doomed = start(server.port, *SOON, "--max_batch", 16)
    names = stream.send_all(images, 50)
    wait_until(lambda: server.client.xlen("predictions") > 3)
    doomed.kill()
    in_hand = server.client.xpending("images", "mmdet")["pending"]
    assert in_hand > 0
    with Running(predictor, server.port, *SOON) as heir:
        answers = stream.wait_for(50)
        assert sorted(answer["id"] for answer in answers) == sorted(names)
        wait_until(stream.is_empty)
        assert heir.metric("redeliveries_total") == in_hand
        time.sleep(0.5)
        assert server.client.xlen("predictions") == 50


@pytest.mark.slow
def test_sigterm_with_50_images_in_flight(predictor, server, stream, images, start):
    leaving = start(server.port, *STREAMS)
    names = stream.send_all(images, 50)
    wait_until(lambda: server.client.xlen("predictions") > 3)
    assert leaving.stop() == 0
    # What was in hand is answered, what was not waits for the next worker.
    answered = server.client.xlen("predictions")
    assert 3 < answered < 50
    assert server.client.xpending("images", "mmdet")["pending"] == 0
    assert server.client.xlen("images") == 50 - answered
    with Running(predictor, server.port, *STREAMS):
        assert sorted(a["id"] for a in stream.wait_for(50)) == sorted(names)


@pytest.mark.slow
def test_an_image_that_ends_every_worker_goes_to_the_dead_letters(
    server, stream, images, start, image_bomb
):
    """The bomb takes longer than a worker may; a supervisor starts the next one."""
    options = (
        *(*SOON, "--max_pixels", 10**9, "--max_deliveries", 2),
        *("--max_seconds", 2, "--max_batch", 4),
    )
    names = stream.send_all(images, 10)
    stream.send(image_bomb, "bomb")
    names += [stream.send(content, f"late {n}") for n, content in enumerate(images)]
    deaths = 0
    while server.client.xlen("images:dead") == 0:
        worker = start(server.port, *options)
        wait_until(
            lambda worker=worker: (
                worker.process.poll() is not None or server.client.xlen("images:dead")
            )
        )
        if worker.process.poll() is not None:
            assert worker.process.returncode == 5
            deaths += 1
    assert deaths == 2
    answers = {a["id"]: a for a in stream.wait_for(len(names) + 1)}
    reason = "delivered 2 times and never answered"
    assert answers.pop("bomb")["meta"]["error"] == reason
    assert sorted(answers) == sorted(names)
    assert all("error" not in answer["meta"] for answer in answers.values())
    assert server.client.xlen("predictions") == len(names) + 1
    wait_until(stream.is_empty)
    assert worker.stop() == 0


def test_a_dead_letter_that_cannot_be_replayed_stays(server):
    server.client.xadd("images:dead", {"image": b"any", "error": "some"})
    server.client.set("images", "of somebody")
    replay = run_command("mmdet-flow redis replay", "--redis-port", server.port)
    assert replay.returncode == 5 and "WRONGTYPE" in the_error(replay)
    assert server.client.xlen("images:dead") == 1


def test_dead_letters_are_listed_and_replayed(predictor, server, stream, images):
    server.client.set("text", "of somebody")
    stream.send(images[0], "wrong", reply_to="text")
    port = ("--redis-port", server.port)
    with Running(predictor, server.port, *STREAMS):
        wait_until(lambda: server.client.xlen("images:dead") == 1)
        listed = run_command("mmdet-flow redis replay", "--list", *port)
        assert listed.stdout.split("\t")[1:] == [
            "wrong",
            "reply_to 'text' is no stream\n",
        ]
        none = run_command("mmdet-flow redis replay", "--list", "1-1", *port)
        assert (none.returncode, none.stdout) == (0, "")
        server.client.delete("text")
        assert run_command("mmdet-flow redis replay", "1-1", *port).returncode == 0
        assert server.client.xlen("images:dead") == 1
        assert run_command("mmdet-flow redis replay", *port).returncode == 0
        assert server.client.xlen("images:dead") == 0
        wait_until(lambda: server.client.xlen("text") == 1)
        assert stream.answers("text")[0]["objects"]
