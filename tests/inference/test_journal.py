"""The journal: what a killed run leaves behind."""

from mmdet_flow.inference.journal import NAME, Journal, Outcome


def left_by_a_killed_run(folder, ending: bytes = b"") -> None:
    journal = Journal(folder, {"score": 0.3})
    journal.claim("a.jpg", "a-1.jpg")
    journal.add(Outcome("a.jpg", "a-1.jpg", sha256="1", status="ok", n_objects=2))
    journal.claim("b.jpg", "b.jpg")
    with open(folder / NAME, "ab") as stream:
        stream.write(ending)


def test_a_killed_run_is_taken_over(tmp_path):
    for ending in (b"", b'{"file": "b.j', b"\0\0\n"):
        (tmp_path / NAME).unlink(missing_ok=True)
        left_by_a_killed_run(tmp_path, ending)
        journal = Journal(tmp_path, {"score": 0.3})
        assert journal.files == ["a.jpg"]
        assert journal.get("a.jpg").n_objects == 2
        assert journal.get("b.jpg") is None
        assert journal.name_of("b.jpg") == "b.jpg"
        assert journal.stems == {"a-1", "b"}
        journal.add(Outcome("b.jpg", "b.jpg", status="empty"))
        assert [one.status for one in journal.outcomes(["b.jpg", "a.jpg"])] == [
            *("empty", "ok"),
        ]


def test_other_settings_start_anew(tmp_path):
    left_by_a_killed_run(tmp_path)
    journal = Journal(tmp_path, {"score": 0.5})
    assert journal.files == [] and journal.name_of("a.jpg") is None


def test_the_order_of_work_leaves_no_trace(tmp_path):
    contents = []
    for files in ("ab", "ba"):
        folder = tmp_path / files
        folder.mkdir()
        journal = Journal(folder, None)
        for file in files:
            journal.claim(file, file)
            journal.add(Outcome(file, file, status="ok"))
        journal.close(remove=False)
        contents.append((folder / NAME).read_bytes())
    assert contents[0] == contents[1]


def test_what_is_gone_is_forgotten(tmp_path):
    """A watch that runs for ever needs neither more memory nor more disk."""
    journal = Journal(tmp_path, None)
    size = (tmp_path / NAME).stat().st_size
    for number in range(3):
        journal.claim("a.jpg", f"a-{number}.jpg")
        journal.add(Outcome("a.jpg", f"a-{number}.jpg", status="ok"))
        journal.release("a.jpg")
    assert journal.stems == set() and journal.files == []
    assert (tmp_path / NAME).stat().st_size == size
