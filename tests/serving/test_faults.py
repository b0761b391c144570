"""What goes wrong with one request, its producer or the server, and ends nobody."""

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.inference.predictor import Prediction, Predictor
from mmdet_flow.serving.connection import Connection
from mmdet_flow.serving.files import _open_below, read_below
from mmdet_flow.serving.fronts import Streams
from mmdet_flow.serving.inbox import Inbox, Refused, Request
from mmdet_flow.serving.metrics import Metrics
from mmdet_flow.serving.streams import StreamsFront
from tests.conftest import unused_port
from tests.serving.conftest import (
    Channel,
    Running,
    Server,
    Stream,
    redis_servers,
    wait_until,
)

STREAMS = ("--redis_front", "streams")
SOON = (*STREAMS, "--claim_after", 1)
OWN = ("images", "images:dead", "predictions")


@pytest.fixture
def stream(server) -> Stream:
    return Stream(server.port)


@dataclass
class Held:
    """A predictor that waits with its first batch until it may go on."""

    predictor: Predictor

    def __post_init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    @property
    def detector(self):
        return self.predictor.detector

    def predict(self, images) -> list[Prediction]:
        self.begun.set()
        assert self.go_on.wait(30)
        return self.predictor.predict(images)


@contextmanager
def in_hand(predictor, port: int, *options):
    """Run a service that has requests in hand while the block lasts."""
    held = Held(predictor)
    with Running(held, port, *options) as running:
        try:
            assert held.begun.wait(30)
            running.go_on = held.go_on.set
            yield running
        finally:
            held.go_on.set()


def pending(server) -> list[bytes]:
    waiting = server.client.xpending_range("images", "mmdet", "-", "+", 100)
    return [each["message_id"] for each in waiting]


def letters(server) -> dict[str, dict]:
    found = server.client.xrange("images:dead")
    return {fields[b"id"].decode(): fields for _, fields in found}


# Requests that are wrong


ODD = {
    "deadline of 400 digits": ({"deadline_ms": "9" * 400}, None),
    "deadline of 9000 digits": ({"deadline_ms": "9" * 9000}, None),
    "no deadline": ({"deadline_ms": ""}, None),
    "deadline with a point": ({"deadline_ms": "1e12"}, None),
    "deadline before": ({"deadline_ms": "-5"}, "the deadline has passed"),
    "deadline of other digits": ({"deadline_ms": "١٢"}, "is no number"),
    "deadline in words": ({"deadline_ms": "soon\n"}, "is no number"),
    "deadline nan": ({"deadline_ms": "nan"}, "is no number"),
    "many fields": ({str(n): "x" for n in range(9000)}, None),
    "odd fields": ({b"\xff\0": b"\n", "": "", "replayed": "never"}, None),
}


def test_odd_requests_are_answered(predictor, server, stream, images):
    for name, (fields, _) in ODD.items():
        request = {"image": images[0], "id": name, **fields}
        server.client.xadd("images", request)
    with Running(predictor, server.port, *STREAMS) as running:
        running.has_answered(
            ok=sum(not error for _, error in ODD.values()),
            error=sum(bool(error) for _, error in ODD.values()),
        )
        answers = {answer["id"]: answer["meta"] for answer in stream.answers()}
    for name, (_, error) in ODD.items():
        assert (error or "") in answers[name].get("error", ""), name
        assert bool(error) == ("error" in answers[name]), name
    assert stream.is_empty() and not server.client.exists("images:dead")


@pytest.mark.parametrize("entry", ["1-1", f"{2**64 - 1}-7"])
def test_the_time_of_an_entry_may_be_any(predictor, redis_port, images, entry):
    stream = Stream(redis_port)
    stream.redis.xadd("images", {"image": images[0]}, id=entry)
    with Running(predictor, redis_port, *STREAMS):
        (answer,) = stream.wait_for(1)
    assert answer["id"] == entry and "error" not in answer["meta"]


@pytest.mark.parametrize(
    ("name", "answered_as", "is_refused"),
    [
        (b"two\nlines", "two\nlines", False),
        (b"\xff\xfe", "\ufffd\ufffd", False),
        (b"", None, False),
        (b"x" * 3_000_000, "x" * 1000, True),
    ],
)
def test_an_id_may_be_any(
    predictor, redis_port, images, caplog, name, answered_as, is_refused
):
    stream = Stream(redis_port)
    entry = stream.redis.xadd("images", {"image": images[0], "id": name}).decode()
    stream.redis.xadd("images", {"image": b"none", "id": b"forged\nERROR line"})
    with Running(predictor, redis_port, *STREAMS):
        answers = {answer["id"]: answer for answer in stream.wait_for(2)}
    answer = answers[entry if answered_as is None else answered_as]
    assert is_refused == ("the limit is 1000" in answer["meta"].get("error", ""))
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_paths_to_anything_but_images_are_refused(
    predictor, redis_port, images, tmp_path
):
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "image.png").write_bytes(images[0])
    (root / "inside.png").symlink_to("image.png")
    (root / "out.png").symlink_to("/etc/hostname")
    (root / "circle.png").symlink_to("circle.png")
    (root / "device.png").symlink_to("/dev/zero")
    (root / "dangling.png").symlink_to("nowhere.png")
    os.mkfifo(root / "fifo.png")
    with (root / "large.png").open("wb") as large:
        large.truncate(40 << 30)
    refused = {
        "folder": "no regular file",
        "": "no regular file",
        ".": "no regular file",
        "fifo.png": "no regular file",
        "image.png/more": "Not a directory",
        "out.png": "leaves the folder",
        "device.png": "leaves the folder",
        "/proc/self/environ": "leaves the folder",
        "circle.png": "circle",
        "dangling.png": "No such file",
        "x" * 300: "File name too long",
        "x/" * 3000: "the path cannot be read",
        "large.png": "the limit is 33554432",
        "\ud800": "the path cannot be read",
    }
    stream = Stream(redis_port)
    for number, path in enumerate(refused):
        fields = {"path": path.encode(errors="surrogatepass"), "id": number}
        stream.redis.xadd("images", fields)
    stream.redis.xadd("images", {"path": "inside.png", "id": "right"})
    with Running(predictor, redis_port, *STREAMS, "--image_root", root) as running:
        running.has_answered(ok=1, error=len(refused))
        answers = {answer["id"]: answer["meta"] for answer in stream.answers()}
    assert "error" not in answers.pop("right")
    for number, reason in enumerate(refused.values()):
        error = answers[str(number)]["error"]
        assert reason in error and str(tmp_path) not in error


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path):
    (tmp_path / "root" / "folder").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for place in ("root/folder", "outside"):
        (tmp_path / place / "a").write_bytes(b"content")
    root = tmp_path / "root"
    assert read_below(root, b"folder/a", 7) == b"content"
    with pytest.raises(Refused, match="7 bytes; the limit is 6"):
        read_below(root, b"folder/a", 6)
    (root / "link").symlink_to("../outside")
    (root / "folder" / "link").symlink_to("../../outside/a")
    for parts in (("link", "a"), ("folder", "link")):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            _open_below(root, parts)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (RuntimeError, "RuntimeError; the log of the worker says more"),  # unforeseen
        (UsageError, "cannot open .../model.bin as ***; make it again"),
    ],
)
def test_errors_of_the_prediction_tell_clients_no_places_and_secrets(
    kind, told, predictor, redis_port, images, caplog, monkeypatch
):
    monkeypatch.setenv("SOME_PASSWORD", "hunter22")

    class Broken(Held):
        def predict(self, images):
            raise kind("cannot open /secret/place/model.bin as hunter22; make it again")

    with Running(Broken(predictor), redis_port):
        channel = Channel(redis_port)
        channel.send(images[0])
        error = channel.receive()["meta"]["error"]
    assert error == f"the prediction failed: {told}"
    assert "/secret/place" in caplog.text


def test_an_answer_that_cannot_be_made_is_an_error(predictor, redis_port, images):
    class Unwritable(Held):
        def predict(self, images):
            return [object() for _ in images]

    with Running(Unwritable(predictor), redis_port) as running:
        channel = Channel(redis_port)
        for content in images[:3]:
            channel.send(content)
        running.has_answered(ok=0, error=3)
        assert "the prediction failed" in channel.receive()["meta"]["error"]


# Answers that have no place to go


def make_full(server, name: str) -> None:
    """Make a stream whose last id is the greatest, so that nothing can be added."""
    server.client.xadd(name, {"a": "b"}, id=f"{2**64 - 1}-{2**64 - 1}")


def test_a_reply_to_that_takes_no_answer_ends_in_the_dead_letters(
    predictor, server, stream, images
):
    server.client.set("text", "of somebody")
    server.client.rpush("list", "of somebody")
    make_full(server, "full")
    names = [*OWN, "images:answered:x", "text", "list", "full", b"long" * 1_000_000]
    for number, name in enumerate(names):
        stream.send(images[0], f"wrong {number}", reply_to=name)
    many = {str(n): "x" for n in range(5000)}
    server.client.xadd(
        "images", {"image": images[0], "id": "many", "reply_to": "text", **many}
    )
    stream.send(images[0], "odd name", reply_to=b"\xff\n")
    stream.send(images[0], "empty name", reply_to=b"")
    wrong = {f"wrong {number}" for number in range(len(names))} | {"many"}
    with Running(predictor, server.port, *STREAMS) as running:
        running.has_answered(ok=2, error=len(wrong))
        wait_until(stream.is_empty)
    answers = {answer["id"]: answer["meta"] for answer in stream.answers()}
    assert stream.ids(b"\xff\n") == ["odd name"]
    assert set(answers) == wrong | {"empty name"}
    assert {name for name, meta in answers.items() if "error" in meta} == wrong
    found = letters(server)
    assert set(found) == wrong and running.metric("dead_letters_total") == len(wrong)
    assert all(fields[b"image"] == images[0] for fields in found.values())
    assert all(b"reply_to" in fields[b"error"] for fields in found.values())
    # Its own keys have no lifetime, and nobody else's key was changed.
    assert {server.client.ttl(name) for name in OWN} <= {-1, -2}
    assert server.client.get("text") == b"of somebody"
    assert server.client.xlen("full") == 1


def test_a_reply_to_outside_the_rights_ends_in_the_dead_letters(
    predictor, server, stream, images, tmp_path
):
    server.client.acl_setuser(
        "worker",
        enabled=True,
        passwords=["+secret"],
        categories=["+@connection", "+@read", "+@write", "+@scripting"],
        keys=["images", "images:*", "predictions"],
    )
    (tmp_path / "password").write_text("secret")
    url = f"redis://worker@localhost:{server.port}"
    options = ("--redis_url", url, "--redis_password_file", tmp_path / "password")
    stream.send(images[0], "wrong", reply_to="mine")
    stream.send(images[0], "right")
    with Running(predictor, 0, *STREAMS, *options) as running:
        running.has_answered(ok=1, error=1)
    assert set(letters(server)) == {"wrong"} and sorted(stream.ids()) == [
        "right",
        "wrong",
    ]


def test_a_reply_to_in_another_slot_of_a_cluster_ends_in_the_dead_letters(
    predictor, images, tmp_path
):
    # The nodes of a cluster talk over a port that is larger by ten thousand.
    port = next(p for p in iter(unused_port, None) if p < (1 << 16) - 10_000)
    cluster = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    server = Server(redis_servers()["embedded"], port, tmp_path, *cluster)
    try:
        server.client.execute_command("CLUSTER", "ADDSLOTS", *range(1 << 14))
        wait_until(lambda: server.client.cluster("info")["cluster_state"] == "ok")
        for name, reply_to in (("wrong", "elsewhere"), ("right", "{a}mine")):
            request = {"image": images[0], "id": name, "reply_to": reply_to}
            server.client.xadd("{a}images", request)
        options = ("--redis_in", "{a}images", "--redis_out", "{a}predictions")
        with Running(predictor, server.port, *STREAMS, *options) as running:
            running.has_answered(ok=1, error=1)
        assert server.client.xlen("{a}images:dead") == 1
        assert Stream(server.port).ids("{a}mine") == ["right"]
        assert Stream(server.port).ids("{a}predictions") == ["wrong"]
    finally:
        server.kill()


@pytest.mark.parametrize("reply_to", ["text", "full"])
def test_a_reply_that_fails_for_a_trimmed_request_ends_nobody(
    predictor, server, stream, images, reply_to
):
    server.client.set("text", "of somebody")
    make_full(server, "full")
    stream.send(images[0], "wrong", reply_to=reply_to)
    with in_hand(predictor, server.port, *STREAMS) as running:
        server.client.xdel("images", *pending(server))
    running.has_answered(ok=0, error=1)
    assert set(letters(server)) == {"wrong"} and stream.ids() == ["wrong"]


def test_what_can_be_put_nowhere_stays(predictor, server, stream, images):
    """Neither the answers' stream nor the dead letters take anything any more."""
    stream.send(images[0], "first")
    with in_hand(predictor, server.port, *SOON) as running:
        make_full(server, "predictions")
        make_full(server, "images:dead")
        stream.send(images[0], "elsewhere", reply_to="mine")
    with Running(predictor, server.port, *SOON):
        wait_until(lambda: server.client.xlen("mine") == 1)
        assert server.client.xlen("images") == 1 and running.failure is None
        for name in ("predictions", "images:dead"):
            server.client.delete(name)
        assert stream.wait_for(1)[0]["id"] == "first"
        wait_until(stream.is_empty)


@pytest.mark.parametrize("name", OWN)
def test_own_streams_out_of_reach_end_it_at_the_start(predictor, server, name):
    server.client.set(name, "of somebody")
    with Running(predictor, server.port, *STREAMS) as running:
        running.join(20)
        failure, running.failure = running.failure, None
    assert failure.exit_code == 5 and f"on {name}: " in str(failure)
    assert server.client.get(name) == b"of somebody"


# Requests that are trimmed away


def test_what_is_trimmed_while_in_hand_is_answered_and_told(
    predictor, server, stream, images, caplog
):
    names = stream.send_all(images, 16)
    with in_hand(predictor, server.port, *SOON) as running:
        wait_until(lambda: len(pending(server)) == 16)
        server.client.xtrim("images", maxlen=0, approximate=False)
        time.sleep(1.5)  # in which it says more than once that it is alive
    assert sorted(stream.ids()) == sorted(names)
    assert running.metric("trimmed_total") == 16
    assert "producers must not trim images" in caplog.text
    assert stream.is_empty()


def test_what_is_trimmed_from_a_dead_worker_is_told(
    predictor, server, stream, images, caplog
):
    server.client.xgroup_create("images", "mmdet", "0", mkstream=True)
    stream.send_all(images, 4)
    server.client.xreadgroup("mmdet", "dead worker", {"images": ">"}, count=3)
    server.client.xtrim("images", maxlen=1, approximate=False)
    time.sleep(1)
    with Running(predictor, server.port, *SOON) as running:
        stream.wait_for(1)
        wait_until(lambda: running.metric("trimmed_total") == 3)
        wait_until(stream.is_empty)
    assert "was trimmed or deleted" in caplog.text


def test_what_is_trimmed_before_it_is_read_is_counted(
    predictor, server, stream, images, caplog
):
    """Each request once, whichever worker counts it; Redis 6 cannot tell."""
    server.client.xadd("images", {"image": b"of long ago"})
    server.client.xtrim("images", maxlen=0, approximate=False)
    counts = "entries-added" in server.client.xinfo_stream("images")
    with (
        Running(predictor, server.port, *SOON) as one,
        Running(predictor, server.port, *SOON) as other,
    ):
        for _ in range(3):
            stream.send_all(images, 4)
            wait_until(stream.is_empty)
            with server.client.pipeline(transaction=True) as at_once:
                for _ in range(3):
                    at_once.xadd("images", {"image": b"unread"})
                at_once.xtrim("images", maxlen=0, approximate=False)
                at_once.execute()
            time.sleep(0.6)  # in which both look
    found = one.metric("trimmed_total") + other.metric("trimmed_total")
    assert found == (9 if counts else 0)
    assert ("were trimmed or deleted by others" in caplog.text) == counts


@pytest.fixture
def fronts(server):
    """Two workers' fronts, and what they have taken."""
    made = [
        StreamsFront(
            Connection(f"redis://localhost:{server.port}"),
            Streams("images", "predictions", "mmdet", claim_after=0.001),
            worker=name,
            metrics=Metrics(),
        )
        for name in ("one", "two")
    ]
    server.client.xgroup_create("images", "mmdet", "0", mkstream=True)
    return made


def taken(front, fetch) -> Request:
    inbox = Inbox(10, "block", 10**9, threading.Event(), front._metrics)
    entry, fields = fetch()[:2]
    front._deliver(inbox, entry, fields)
    return inbox.take()


@pytest.mark.parametrize("is_trimmed", [False, True])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("given_up", ["", "for a reason"])
def test_of_two_that_have_a_request_one_answers(
    server, fronts, is_trimmed, first, given_up
):
    entry = server.client.xadd("images", {"image": b"any", "id": "a"})
    requests = [taken(fronts[0], lambda: fronts[0]._read(1, threading.Event())[0])]
    time.sleep(0.01)
    requests.append(taken(fronts[1], lambda: fronts[1]._claim(entry)))
    if is_trimmed:
        server.client.xdel("images", entry)
        time.sleep(0.01)
        fronts[0]._claim(entry)  # after which Redis 7 knows nothing of it
    for number in (first, 1 - first):
        is_first = number == first
        answer = fronts[number].reply(requests[number], "{}", given_up)
        assert answer is is_first
    assert server.client.xlen("predictions") == 1
    assert server.client.xlen("images:dead") == bool(given_up)


def test_what_was_long_in_hand_and_is_gone_is_not_answered(server, fronts):
    """Another may have answered it so long ago that its note is gone."""
    entry = server.client.xadd("images", {"image": b"any"})
    request = taken(fronts[0], lambda: fronts[0]._read(1, threading.Event())[0])
    server.client.xack("images", "mmdet", entry)
    server.client.xdel("images", entry)
    request.ticket.taken -= 301
    assert fronts[0].reply(request, "{}") is False
    assert not server.client.exists("predictions")


def test_an_answer_that_is_not_taken_says_why(server, fronts):
    server.client.set("text", "of somebody")
    server.client.xadd("images", {"image": b"any", "reply_to": "text"})
    request = taken(fronts[0], lambda: fronts[0]._read(1, threading.Event())[0])
    with pytest.raises(DataError, match="reply_to 'text' is no stream"):
        fronts[0].reply(request, "{}")
    assert server.client.keys("images:answered:*") == []  # nothing half done
    assert fronts[0].reply(request, "{}", "reply_to 'text' is no stream")


# Servers that take nothing for a while


def without_replicas(client):
    client.config_set("min-replicas-to-write", 1)
    return lambda: client.config_set("min-replicas-to-write", 0)


def as_replica(client):
    client.replicaof("127.0.0.1", 1)
    return lambda: client.replicaof("no", "one")


def without_data_of_master(client):
    client.config_set("replica-serve-stale-data", "no")
    return as_replica(client)


def without_memory(client):
    client.config_set("maxmemory", 1)
    return lambda: client.config_set("maxmemory", 0)


def without_disk(client):
    """A folder stands where the server wants to save."""
    folder = Path(client.config_get("dir")["dir"])
    (folder / "dump.rdb").mkdir()
    client.config_set("dbfilename", "dump.rdb")
    client.config_set("save", "3600 1000")
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    return lambda: client.config_set("stop-writes-on-bgsave-error", "no")


def with_a_script(client):
    """A script of somebody runs for a while."""
    client.config_set("lua-time-limit", 10)
    port = client.connection_pool.connection_kwargs["port"]
    other = redis.Redis(port=port, retry=None)

    def run():
        with pytest.raises(redis.ResponseError):
            other.eval("while true do end", 0)

    thread = threading.Thread(target=run)
    thread.start()

    def end():
        client.execute_command("SCRIPT", "KILL")
        thread.join(10)

    time.sleep(0.2)
    return end


STATES = [
    *(without_replicas, as_replica, without_data_of_master),
    *(without_memory, without_disk, with_a_script),
]


@pytest.mark.parametrize("state", STATES)
def test_a_state_that_passes_is_waited_for(
    predictor, server, stream, images, state, caplog
):
    names = stream.send_all(images, 12)
    with in_hand(predictor, server.port, *STREAMS, "--max_batch", 4) as running:
        undo = state(server.client)
        running.go_on()
        # A server without memory takes the answers, which make room.
        wait_until(
            lambda: (
                "held up" in caplog.text
                or running.metric("answered_total", status="ok") == 12
            )
        )
        undo()
        running.has_answered(12)
    assert running.failure is None
    assert sorted(stream.ids()) == sorted(names) and stream.is_empty()


@pytest.mark.parametrize("state", STATES)
def test_pubsub_waits_for_a_state_that_passes(predictor, server, images, state):
    with Running(predictor, server.port) as running:
        channel = Channel(server.port)
        channel.send(images[0])
        channel.receive()
        undo = state(server.client)
        time.sleep(0.5)
        undo()
        wait_until(lambda: server.client.pubsub_numsub("images")[0][1] == 1)
        channel = Channel(server.port)
        sent = channel.send(images[1])
        assert channel.receive()["id"] == sent
    assert running.failure is None


def test_scripts_that_go_again_and_again_are_sent_again(server, fronts):
    """Others flush the scripts just when ours has been sent."""
    front, _ = fronts
    server.client.xadd("images", {"id": "a", "image": b"any"})
    request = taken(front, lambda: front._read(1, threading.Event())[0])
    client, load, sent = front._redis, front._redis.script_load, []

    def lose(script):
        sent.append(load(script))
        if len(sent) < 3:
            server.client.script_flush()
        return sent[-1]

    server.client.script_flush()
    client.script_load = lose
    assert front.reply(request, "{}")
    assert len(sent) == 3 and server.client.xlen("predictions") == 1


def test_a_full_server_empties_itself(predictor, server, stream, images):
    """With no room for another byte, answers still take the place of requests."""
    server.client.xgroup_create("images", "mmdet", "0", mkstream=True)
    names = stream.send_all(images, 12)
    server.client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        stream.send(images[0])
    with Running(predictor, server.port, *STREAMS):
        wait_until(lambda: server.client.xlen("predictions") == 12)
        wait_until(stream.is_empty)
    assert sorted(stream.ids()) == sorted(names)


def test_the_start_waits_for_a_state_that_passes(server):
    undo = with_a_script(server.client)
    connection = Connection(f"redis://localhost:{server.port}", max_outage=20)
    with pytest.raises(redis.ResponseError):
        connection.client.ping()
    timer = threading.Timer(0.5, undo)
    timer.start()
    connection.check()
    timer.join()
    assert connection.client.ping()


# Too many requests


def test_of_a_backlog_that_is_too_long_the_oldest_are_refused(
    predictor, server, stream, images
):
    names = stream.send_all(images, 40)
    options = (*STREAMS, "--max_backlog", 6, "--max_batch", 4)
    with Running(predictor, server.port, *options) as running:
        answers = stream.wait_for(40)
        wait_until(stream.is_empty)
    errors = {answer["id"]: answer["meta"].get("error") for answer in answers}
    refused = [name for name in names if errors[name]]
    assert running.metric("drops_total", reason="queue_full") == len(refused)
    assert {errors[name] for name in refused} == {"the queue is full; send slower"}
    # What is answered at that moment may count as waiting, and leave room for more.
    assert len(refused) > 20 and not set(refused) & set(names[-6:])
