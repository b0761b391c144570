import threading

import pytest

from mmdet_flow.serving.inbox import Inbox, Request
from mmdet_flow.serving.metrics import Metrics


def make_inbox(policy: str, max_messages=None) -> tuple[Inbox, threading.Event]:
    stop = threading.Event()
    return Inbox(3, policy, 10, stop, Metrics(), max_messages), stop


def drain(inbox: Inbox) -> list[str]:
    names = []
    while request := inbox.take():
        names.append(request.name)
    return names


@pytest.mark.parametrize(
    ("policy", "kept", "refused"),
    [
        ("drop-new", ["0", "1", "2"], ["3", "4"]),
        ("drop-oldest", ["2", "3", "4"], ["0", "1"]),
    ],
)
def test_a_full_inbox_refuses_what_the_policy_says(policy, kept, refused):
    inbox, _ = make_inbox(policy)
    for number in range(5):
        inbox.put(Request(b"image", name=str(number)))
    assert len(inbox) == 3
    refusals = inbox.take_refused()
    assert [refusal.request.name for refusal in refusals] == refused
    assert {refusal.why for refusal in refusals} == {"queue_full"}
    assert drain(inbox) == kept


def test_block_waits_for_room():
    inbox, _ = make_inbox("block")

    def fill():
        for number in range(5):
            inbox.put(Request(b"image", name=str(number)))

    filler = threading.Thread(target=fill)
    filler.start()
    filler.join(0.1)
    assert filler.is_alive() and len(inbox) == 3
    names = []
    while len(names) < 5:
        names.append(inbox.take(timeout=5).name)
    filler.join(5)
    assert names == list("01234") and inbox.take_refused() == []


def test_a_closed_inbox_lets_nobody_wait():
    inbox, _ = make_inbox("block")
    for _ in range(3):
        inbox.put(Request(b"image"))
    late = threading.Thread(target=inbox.put, args=(Request(b"image"),))
    late.start()
    inbox.close()
    late.join(5)
    assert not late.is_alive() and len(inbox.take_refused()) == 1


def test_a_large_image_is_refused_and_its_bytes_are_let_go():
    inbox, _ = make_inbox("drop-new")
    inbox.put(Request(b"x" * 11))
    (refusal,) = inbox.take_refused()
    assert refusal.reason == "the image has 11 bytes; the limit is 10"
    assert refusal.request.content == b"" and len(refusal.request.id) == 64


def test_after_max_messages_it_says_stop():
    inbox, stop = make_inbox("drop-new", max_messages=2)
    inbox.put(Request(b"a", name="a"))
    assert not stop.is_set()
    inbox.put(Request(b"x" * 11, name="b"))
    assert stop.is_set()
    inbox.put(Request(b"c", name="c"))
    assert drain(inbox) == ["a"] and len(inbox.take_refused()) == 1
