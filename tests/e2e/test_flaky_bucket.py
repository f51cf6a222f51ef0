"""Tools on a bucket whose server refuses, breaks off and cuts answers short now and then: they get through."""

import json
import shutil

from .flaky_s3 import FAULTS, flaky
from .s3 import KEYS
from .server import run, wait_for
from .test_rebuild import GAP, SETTINGS, SOON
from .wire import Connection, batch_of

RECORDS = 15
SIZE = 20_000


def through(proxy, flags):
    """The same bucket at the proxy's address."""
    flags = list(flags)
    flags[flags.index("--bucket-endpoint") + 1] = proxy.endpoint
    return flags


def test_a_lost_machine_is_made_again_and_checked_and_dumped_through_errors_that_pass(new_server, s3, request):
    flags = s3.flags(request.node.name)
    server = new_server(*SOON, "--object-linger-ms", "20ms", *flags, **KEYS).start()
    values = []
    with Connection(server.port) as connection:
        connection.create_topic("t", 1, {**SETTINGS, "durability": "object"})
        for i in range(RECORDS):
            value = b"%d " % i + b"x" * SIZE
            values.append((connection.produce("t", batch_of(value)).base_offset, value))
    server.kill()
    shutil.rmtree(server.data)
    new = new_server(*SOON, *flags, data=server.data.with_name("new"), **KEYS)
    with flaky(s3) as proxy:
        bucket = through(proxy, flags)
        made = run("rebuild", "--data", new.data, *bucket, "--json", timeout=300, **KEYS)
        assert made.returncode == 0, made.stderr
        assert proxy.failed > len(FAULTS), "each of them was met"
        (topic,) = json.loads(made.stdout)["topics"]
        assert topic["partitions"][0]["next"] == RECORDS + GAP
        failed = proxy.failed
        checked = run("fsck", "--data", new.data, *bucket, timeout=300, **KEYS)
        assert checked.returncode == 0 and proxy.failed > failed, checked.stdout + checked.stderr
        dumped = run("dump", *bucket, timeout=300, **KEYS)
        assert dumped.returncode == 0, dumped.stderr
    new.start()
    with Connection(new.port) as connection:
        assert connection.fetch_all("t") == values
        wait_for("the end behind the gap", lambda: connection.list_offset("t", -1)[2] == RECORDS + GAP)


def test_a_bucket_that_never_answers_is_not_waited_for_long(new_server, s3, request, tmp_path):
    flags = s3.flags(request.node.name)
    with flaky(s3, each=1) as proxy:
        refused = run("rebuild", "--data", tmp_path / "new", *through(proxy, flags), timeout=60, **KEYS)
    assert refused.returncode == 1
    assert "cannot list s3://" in refused.stderr and proxy.endpoint.removeprefix("http://") in refused.stderr
