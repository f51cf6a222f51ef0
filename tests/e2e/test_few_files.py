"""A process that may open few files refuses this and that, and goes on."""

import http.client
import resource

import pytest

from .server import wait_for
from .test_tables_start import filled  # noqa: F401 - a fixture
from .web import Refused


def limited(files, hard=None):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard or files))


@pytest.mark.parametrize("files", [8, 20, 24, 63])
def test_too_few_open_files_are_refused_before_anything_is_touched(new_server, tmp_path, files):
    data = tmp_path / "data"
    process = new_server(data=data).launch(preexec=limited(files))
    status = process.wait()
    if status != 127:  # the loader could not open a library
        assert status == 1 and f"may have {files} files open and needs at least 64" in process.text(), process.text()
    assert not data.exists()


def test_a_soft_limit_is_raised_to_the_hard_one(new_server):
    server = new_server()
    server.launch(preexec=limited(10, 4096))
    server.await_ready()
    limits = next(line for line in open(f"/proc/{server.pid}/limits") if line.startswith("Max open files"))
    assert limits.split()[3:5] == ["4096", "4096"]


@pytest.mark.parametrize("files", [64, 72, 96])
def test_few_open_files_are_an_error_or_enough(filled, files):  # noqa: F811
    """A connection or a query is refused for want of descriptors; nothing ends the process."""
    filled.write(2, "other").flush().flush("other")
    assert filled.server.terminate() == 0
    process = filled.server.launch(preexec=limited(files))
    filled.server.await_ready()
    for _ in range(3):
        for table, rows in filled.rows.items():
            try:
                assert filled.found(table) == rows
            except Refused as refused:
                assert "Too many open files" in refused.answer.error, refused
            except (ConnectionError, http.client.HTTPException):
                # This connection would have had the last ones; the log comes a moment later.
                wait_for("the refusal to be told", lambda: "file descriptor" in process.text())
    assert process.is_running(), process.text()
    filled.server.kill()
    filled.goes_on()
