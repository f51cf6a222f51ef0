"""A process that may open few files refuses this and that, and goes on."""

import http.client
import resource

import pytest

from .server import binary, wait_for
from .test_tables_start import filled  # noqa: F401 - a fixture
from .web import Refused


@pytest.mark.parametrize("files", [8, 20, 21, 22, 24, 26, 40, 64])
def test_few_open_files_are_an_error_or_enough(filled, files):  # noqa: F811
    """A start, a connection or a query is refused for want of descriptors; nothing ends the process."""
    if files < 64 and b"__ubsan_" in binary().read_bytes():
        pytest.skip("UBSan looks at memory through a pipe, and takes a pipe it cannot have for a bad pointer")
    filled.write(2, "other").flush().flush("other")
    assert filled.server.terminate() == 0
    process = filled.server.launch(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
    try:
        filled.server.await_ready()
    except AssertionError:
        assert process.wait() in (1, 127), process.text()  # 127: the loader could not open a library
        assert process.popen.returncode == 127 or "Too many open files" in process.text(), process.text()
    else:
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
