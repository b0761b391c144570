"""The journal: what a killed run leaves behind."""

from mmdet_flow.inference.journal import NAME, Claim, Journal, Outcome


def left_by_a_killed_run(folder, ending: bytes = b"") -> None:
    journal = Journal(folder, {"score": 0.3})
    journal.claim(Claim("a.jpg", "1", "a-1.jpg", ["a-1.json"]))
    journal.add(Outcome("a.jpg", "a-1.jpg", sha256="1", status="ok", n_objects=2))
    journal.claim(Claim("b.jpg", "2", "b.jpg", ["b.json"]))
    with open(folder / NAME, "ab") as stream:
        stream.write(ending)


def test_a_killed_run_is_taken_over(tmp_path):
    for ending in (b"", b'{"file": "b.j', b"\0\0\n"):
        (tmp_path / NAME).unlink(missing_ok=True)
        left_by_a_killed_run(tmp_path, ending)
        journal = Journal(tmp_path, {"score": 0.3})
        assert journal.files == ["a.jpg"]
        assert journal.get("a.jpg", "1").n_objects == 2
        assert journal.get("b.jpg", "2") is None
        assert journal.claim_of("b.jpg", "2").name == "b.jpg"
        assert journal.owner_of("A-1.json") == ("a.jpg", "1")
        journal.add(Outcome("b.jpg", "b.jpg", status="empty"))
        assert [one.status for one in journal.outcomes(["b.jpg", "a.jpg"])] == [
            *("empty", "ok"),
        ]


def test_other_settings_start_anew(tmp_path):
    left_by_a_killed_run(tmp_path)
    journal = Journal(tmp_path, {"score": 0.5})
    assert journal.files == [] and journal.claim_of("a.jpg", "1").name == "a-1.jpg"


def test_a_run_that_does_nothing_changes_nothing(tmp_path):
    """As one does whose checkpoint is not there, or cannot be loaded."""
    Journal(tmp_path, {"score": 0.3})
    assert not (tmp_path / NAME).exists()
    left_by_a_killed_run(tmp_path, ending=b'{"file": "b.j')
    before = (tmp_path / NAME).read_bytes()
    for score in (0.3, 0.5):
        Journal(tmp_path, {"score": score})
    assert (tmp_path / NAME).read_bytes() == before
    assert Journal(tmp_path, {"score": 0.3}).files == ["a.jpg"]
    other = Journal(tmp_path, {"score": 0.5})
    other.add(Outcome("c.jpg", "c.jpg", status="empty"))
    assert Journal(tmp_path, {"score": 0.3}).files == []
    assert Journal(tmp_path, {"score": 0.5}).files == ["c.jpg"]


def test_results_of_a_killed_run_are_not_those_of_the_run_before(tmp_path):
    """Whose files the killed one may have replaced, though it noted no outcome."""
    left_by_a_killed_run(tmp_path)
    other = Journal(tmp_path, {"score": 0.5})
    other.claim(Claim("a.jpg", "1", "a-1.jpg", ["a-1.json"]))
    again = Journal(tmp_path, {"score": 0.3})
    assert again.files == [] and again.claim_of("b.jpg", "2").name == "b.jpg"


def test_the_order_of_work_leaves_no_trace(tmp_path):
    contents = []
    for files in ("ab", "ba"):
        folder = tmp_path / files
        folder.mkdir()
        journal = Journal(folder, None)
        for file in files:
            journal.claim(Claim(file, "", file, [file]))
            journal.add(Outcome(file, file, status="ok"))
        journal.close(remove=False)
        contents.append((folder / NAME).read_bytes())
    assert contents[0] == contents[1]


def test_what_is_gone_is_forgotten(tmp_path):
    """A watch that runs for ever needs neither more memory nor more disk."""
    journal = Journal(tmp_path, None)
    sizes = set()
    for number in range(3):
        journal.claim(Claim("a.jpg", "1", f"a-{number}.jpg", [f"a-{number}.json"]))
        journal.add(Outcome("a.jpg", f"a-{number}.jpg", "1", status="ok"))
        journal.release("a.jpg", "1")
        sizes.add((tmp_path / NAME).stat().st_size)
    assert journal.claim_of("a.jpg", "1") is None and journal.files == []
    assert len(sizes) == 1
