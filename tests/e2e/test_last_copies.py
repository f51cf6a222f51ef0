"""What only a double can still give is kept by a start, and named by a rebuild."""

import uuid

import pytest

from . import segments
from .fsck_copy import COUNT, LATE, Copy, built, copy  # noqa: F401 - some are fixtures
from .server import Server, run, wait_for
from .test_serve import values_of

RECORDS = 2 * COUNT + 5


def double_of(one):
    """As a process leaves it that ended before the catalog named its object."""
    twin = uuid.uuid4()
    path = one.path.with_name(f"{one.parts[0].first:020}-{twin}.seg")
    segments.copy_as(one, twin, path)
    return path


HARM = {
    "missing": lambda copy, one: one.path.unlink(),
    "truncated": lambda copy, one: one.path.write_bytes(one.path.read_bytes()[:1000]),
    "data": lambda copy, one: copy.flip(one.path, one.parts[0].data_position + 500),
    "index": lambda copy, one: copy.flip(one.path, one.parts[0].index_position + 3),
    "footer": lambda copy, one: copy.flip(one.path, one.bytes - 30),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_double_of_a_damaged_object_is_the_last_copy(copy, harm):  # noqa: F811
    one = copy.object()
    twin = double_of(one)
    HARM[harm](copy, one)
    for flags in ((), ("--repair",)):
        _, findings, _ = copy.fsck(*flags)
        (leftover,) = [finding for finding in findings if finding["type"] == "leftover"]
        assert (leftover["problem"], leftover["file"]) == ("unnamed-object", str(twin)), leftover
        assert leftover["advice"] == "keep it: millrace rebuild --replace takes it in place of what is damaged"
        assert twin.exists()
    server = Server(copy.data, *LATE).start()
    wait_for("the start to look", lambda: f"{twin} is not in the catalog and left alone" in server.process.text())
    assert server.terminate() == 0
    assert twin.exists()
    done = run("rebuild", "--data", copy.data, "--replace")
    assert done.returncode == 0, done.stderr
    server.start()
    assert len(values_of(server, "t")) == RECORDS
    assert server.terminate() == 0


def test_a_rebuild_without_catalog_names_the_double_that_is_whole(copy):  # noqa: F811
    for which in range(2):
        one = copy.object(which)
        twin = double_of(one)
        copy.flip(twin if which else one.path, one.parts[0].data_position + 500)
    (copy.data / "catalog.db").unlink()
    done = run("rebuild", "--data", copy.data)
    assert done.returncode == 0, done.stderr
    server = Server(copy.data, *LATE).start()
    assert len(values_of(server, "t")) == RECORDS
    assert server.terminate() == 0


def test_what_the_replaced_catalog_named_and_is_gone_is_told(copy):  # noqa: F811
    one = copy.object()
    (part,) = one.parts
    one.path.unlink()
    done = run("rebuild", "--data", copy.data, "--replace")
    assert done.returncode == 0, done.stderr
    assert f"records of topic t partition 0 with offsets {part.first} to {part.next - 1}: catalog.db named" in done.stdout


def test_a_double_of_an_object_that_can_be_read_goes(copy):  # noqa: F811
    twin = double_of(copy.object())
    server = Server(copy.data, *LATE).start()
    wait_for("it to be removed", lambda: not twin.exists())
    assert len(values_of(server, "t")) == RECORDS
    assert server.terminate() == 0
