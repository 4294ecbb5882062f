"""Where a file can be written, what is replaced, and that a link stays a link."""

import contextlib
import os
import re
import threading
from pathlib import Path

import pytest

from tdlib import files as own
from tdlib.files import check_output, check_place, note_written, remove_unfinished, write_atomically


@pytest.fixture
def there(tmp_path):
    """A folder with `file`, `folder`, a `link` to the file, a `dangling` one, a `pipe` and a `loop` of links."""
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("folder/new")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["file", "link", "dangling", "new", "a/b/new", "x" * 250, "ü" * 125])
def test_a_file_can_be_written_and_checking_leaves_nothing_behind(name, there):
    before = files(there)
    check_place(there / name)
    assert files(there) == before
    write_atomically((there / name, b"new"))
    assert (there / name).read_bytes() == b"new"
    assert (there / name).is_symlink() == (name in ("link", "dangling"))
    assert not [path for path in there.rglob("*") if re.fullmatch(own.UNFINISHED, path.name)]


@pytest.mark.parametrize("name", ["backup.20240131", "data.deadbeef1", ".hidden.20240131", "a.tdlib", ".a.tdlib"])
def test_what_is_left_half_written_is_removed_and_nothing_of_anybody_elses(name, there, monkeypatch):
    (there / name).write_text("kept")
    before = files(there)
    with monkeypatch.context() as killed:  # before its files have their names
        for work in ("replace", "unlink"):
            killed.setattr(Path, work, lambda *_, **__: None)
        write_atomically((there / "row.json", b"half"), (there / ("ü" * 125), b"half"))
    assert len(files(there)) == len(before) + 2
    for path in there.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    remove_unfinished(there, there / "folder")
    assert files(there) == before


def test_what_a_link_points_to_is_replaced_and_the_link_stays(there):
    write_atomically((there / "link", b"new"))
    assert (there / "file").read_bytes() == b"new"
    assert os.readlink(there / "link") == "file"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("folder", "it is a folder"),
        ("pipe", "it is not a regular file"),
        ("loop", "its links lead in a circle"),
        ("file/new", r"\S+/file is not a folder"),
        ("file/a/b/new", r"\S+/file is not a folder"),
        ("x" * 256, "the name is too long"),
        ("a/" + "x" * 256 + "/b", "the name is too long"),
        ("/".join(["x" * 200] * 30), "file name too long"),
        ("/dev/null", "it is not a regular file"),
        ("/proc/new", "no file can be made in /proc"),
        ("/proc/a/b", "no file can be made in /proc"),
        ("/sys/new", "permission denied"),
    ],
)
def test_a_place_where_no_file_can_be_is_one_sentence(name, fault, there):
    before = files(there)
    with pytest.raises(ValueError, match=f"^cannot write {re.escape(str(there / name))}: {fault}$"):
        check_place(there / name)
    assert files(there) == before


@pytest.mark.parametrize("name", ["folder", "new", "a/b/new"])
def test_a_folder_can_be_made(name, there):
    check_place(there / name, folder=True)


@pytest.mark.parametrize("name", ["file", "link", "pipe", "loop", "file/new", "/dev/null", "/proc/new", "x" * 256])
def test_a_place_where_no_folder_can_be_is_one_sentence(name, there):
    with pytest.raises(ValueError, match=f"^cannot write {re.escape(str(there / name))}: "):
        check_place(there / name, folder=True)


# --- what is replaced


def test_a_file_is_replaced_only_as_it_was_written_or_by_force(there):
    record = there / "cache" / "written.json"
    check_output(there / "new", record)
    for name in ("file", "link"):
        with pytest.raises(ValueError, match=f"/{name} is there already, and not as this command wrote it: --force"):
            check_output(there / name, record)
        check_output(there / name, record, force=True)
    write_atomically((there / "link", b"forecast"))
    note_written(there / "link", record)
    for name in ("file", "link"):  # one file
        check_output(there / name, record)
    (there / "folder" / "copy").write_bytes(b"forecast")
    with pytest.raises(ValueError, match="there already"):
        check_output(there / "folder" / "copy", record)
    (there / "file").write_bytes(b"forecast, and a note")
    with pytest.raises(ValueError, match="there already"):
        check_output(there / "file", record)


def test_two_commands_at_once_both_keep_what_they_wrote(there, monkeypatch):
    read, both = own._written, threading.Barrier(2)

    def late(record):
        found = read(record)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # for the other one to have read as well
        return found

    monkeypatch.setattr(own, "_written", late)
    record, names = there / "cache" / "written.json", ("a.csv", "b.csv")
    for name in names:
        (there / name).write_text(name)
    threads = [threading.Thread(target=note_written, args=(there / name, record)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {*read(record)} == {str(there / name) for name in names}


def test_an_input_is_never_replaced_by_whatever_name(there):
    os.link(there / "file", there / "twin")
    for name in ("file", "link", "twin", "folder/../file"):
        with pytest.raises(ValueError, match="it is the input"):
            check_output(there / name, there / "record", inputs=[there / "file"], force=True)
    check_output(there / "new", there / "record", inputs=[there / "file", there / "none"])


@pytest.mark.parametrize("text", ["", "[1]", "7", "{", "[" * 100_000, "\x00"])
def test_a_damaged_record_counts_as_none(text, there):
    (there / "record").write_text(text)
    with pytest.raises(ValueError, match="there already"):
        check_output(there / "file", there / "record")
    note_written(there / "file", there / "record")
    check_output(there / "file", there / "record")


def test_a_record_that_cannot_be_kept_is_no_failure(there):
    note_written(there / "file", there / "file" / "record")
    with pytest.raises(ValueError, match="there already"):
        check_output(there / "file", there / "file" / "record")
