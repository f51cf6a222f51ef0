"""How the journal reaches the disk: each method, what is chosen, and disks that are somebody else's."""

import re

import pytest

from . import wire
from .server import binary
from .wire import Connection

METHODS = ["page_cache", "direct"]


def write(server, values):
    with Connection(server.port) as connection:
        for value in values:
            assert connection.produce("t", wire.batch_of(value)).error == wire.NONE


def check(server, values):
    with Connection(server.port) as connection:
        assert [value for _, value in connection.fetch_all("t")] == values


@pytest.mark.parametrize("method", METHODS)
def test_what_one_method_wrote_all_others_read_and_go_on_with(new_server, method):
    server = new_server("--journal-file-bytes", "1MiB").start("--journal-write-method", method)
    assert f"info journal: runs are written by {method}" in server.process.text()
    with Connection(server.port) as connection:
        assert connection.create_topic("t") == (0, None)
    values = []
    for after in [method, *METHODS]:
        more = [b"%d %d " % (len(values), n) + b"x" * 40_000 for n in range(40)]  # more than one file
        write(server, more)
        values += more
        check(server, values)
        server.kill()
        server.start("--journal-write-method", after)
        assert f"runs are written by {after}\n" in server.process.text() + "\n"
        check(server, values)


def test_without_a_method_the_disk_is_asked(new_server):
    server = new_server().start()
    line = next(line for line in server.process.log if "runs are written by" in line)
    chosen, figures = re.search(r"by (\w+); 4 KiB and 256 KiB with their syncs: (.+)$", line).groups()
    assert chosen in METHODS and re.match(r"(direct|page_cache) \d+\.\d\d and \d+\.\d\d ms", figures)
    assert not (server.data / "journal" / "probe.tmp").exists()


def test_an_unknown_method_is_refused_with_the_names(new_server):
    status, told = new_server("--journal-write-method", "mmap").refused()
    assert status == 2 and "auto, page_cache or direct" in told


def on_nfs(new_server, suffix, **data):
    library = binary().parent / "libfile_system_shift.so"
    return new_server(**data, LD_PRELOAD=str(library), FILE_SYSTEM_SHIFT_SUFFIX=suffix)


def test_a_directory_on_a_network_file_system_is_refused(new_server, tmp_path):
    server = on_nfs(new_server, "/far", data=tmp_path / "far")
    status, told = server.refused()
    assert status == 1 and f"{tmp_path / 'far'} is on a network file system (nfs)" in told
    assert "name a directory on a disk of this machine" in told
    assert list((tmp_path / "far").iterdir()) == []


def test_a_journal_on_a_network_file_system_is_warned_about(new_server):
    server = on_nfs(new_server, "/journal").start()
    warning = next(line for line in server.process.log if " warning " in line)
    assert f"{server.data / 'journal'} is on a network file system (nfs)" in warning
    with Connection(server.port) as connection:
        assert connection.create_topic("t") == (0, None)
    write(server, [b"a"])
    check(server, [b"a"])
