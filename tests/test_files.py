from concurrent.futures import ThreadPoolExecutor

import pytest

from mmdet_flow import files
from mmdet_flow.files import new_file, only_writer, write_if_changed


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ValueError), new_file(path) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_equal_content_leaves_the_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    write_if_changed(path, "same")
    before = path.stat()
    write_if_changed(path, "same")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (
        *(before.st_mtime_ns, before.st_ino),
    )
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_taken_over(tmp_path):
    path = tmp_path / "a.txt"
    with new_file(path) as temporary:
        left = temporary
    left.write_text("a longer piece of what was being written")
    write_if_changed(path, "whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_can_be_written_though_others_are_made_read_only(tmp_path, monkeypatch):
    """With a umask of 0222 nobody but root could open the temporary file again."""
    monkeypatch.setattr(files, "MODE", 0o444)
    with new_file(tmp_path / "a.txt") as temporary:
        assert temporary.stat().st_mode & 0o777 == 0o644
        temporary.write_text("whole")
    write_if_changed(tmp_path / "b.txt", "whole")
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o444


def test_writers_of_one_file_take_turns(tmp_path):
    path = tmp_path / "a.txt"
    contents = [letter * 100_000 for letter in "abcdefgh"]

    def write(content):
        for _ in range(50):
            write_if_changed(path, content)
            assert path.read_text() in contents

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, contents))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("written", [[], ["a/kept.txt"], ["a/b/c/kept.txt"]])
def test_a_folder_that_nothing_was_written_to_goes_after_an_error(written, tmp_path):
    """And those around it, as far as they were made for it."""
    (tmp_path / "before").mkdir()
    with pytest.raises(ValueError), only_writer(tmp_path / "before/a/b/c"):
        for name in written:
            write_if_changed(tmp_path / "before" / name, "")
        raise ValueError
    left = {path for path in (tmp_path / "before").rglob("*") if path.is_file()}
    assert left == {tmp_path / "before" / name for name in written}
    assert (tmp_path / "before/a").exists() == bool(written)
    assert (tmp_path / "before/a/b").exists() == (written == ["a/b/c/kept.txt"])
    with only_writer(tmp_path / "before/a/b/c"):
        pass
    assert (tmp_path / "before/a/b/c").is_dir()
