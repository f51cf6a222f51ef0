"""The server as a process: how it starts, what it refuses, how it stops, what it keeps."""

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from . import journal, wire
from .s3 import NOWHERE
from .server import run, wait_for
from .wire import Connection, batch_of

SMALL = ("--journal-file-bytes", "1MiB")


def fill(server, topic, count, size=1000, partition=0):
    """Writes `count` batches of one record each; the values in order."""
    values = [b"%06d " % i + b"x" * size for i in range(count)]
    with Connection(server.port) as connection:
        connection.create_topic(topic)
        sent = [(connection.send_produce(topic, batch_of(value), partition), value) for value in values]
        for correlation, _ in sent:
            assert connection.receive_produced(correlation).error == wire.NONE
    return values


def accepts(server):
    try:
        Connection(server.port).close()
    except ConnectionRefusedError:
        return False
    return True


def values_of(server, topic, partition=0):
    with Connection(server.port) as connection:
        return [value for _, value in connection.fetch_all(topic, partition=partition)]


# --- start -----------------------------------------------------------------------------------------


def test_the_ready_line_says_what_where_and_how_fast(server):
    version = run("version").stdout.split()
    assert server.ready_line.split()[1] in version
    assert (server.host, server.port > 0, server.ready_ms < 5000) == ("127.0.0.1", True, True)
    assert server.process.out == [server.ready_line]
    with Connection(server.port) as connection:
        assert connection.api_versions()[0] == wire.NONE


def test_each_port_0_is_another_port(new_server):
    first, second = new_server().start(), new_server().start()
    assert first.port != second.port


def test_a_taken_port_is_refused_with_what_to_do(new_server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, text = new_server().refused("--kafka", address)
    assert status == 1
    assert address in text and "choose another" in text


def test_a_second_server_on_the_directory_is_refused(server, new_server):
    values = fill(server, "t", 3)
    status, text = new_server(data=server.data).refused()
    assert status == 1
    assert str(server.data) in text and str(server.pid) in text and "another directory" in text
    assert values_of(server, "t") == values  # and the first one goes on
    server.kill()
    new_server(data=server.data).start()  # the lock goes with its process


@pytest.mark.parametrize("arguments, parts", [
    (["--journal-file-bytes", "1KiB"], ["journal.file_bytes", "1KiB", "1 MiB", "16 GiB"]),
    (["--journal-file-bytes", "much"], ["journal.file_bytes", "much", "1 MiB"]),
    (["--topic-default-partitions", "0"], ["topic.default_partitions", '"0"', "1 to 10000"]),
    (["--topic-default-partitions", "-3"], ["topic.default_partitions", "-3", "1 to 10000"]),
    (["--log-level", "loud"], ["log.level", "loud", "silent, normal or verbose"]),
    (["--log-format", "xml"], ["log.format", "xml", "text or json"]),
    (["--journal-file-byte", "1MiB"], ["journal-file-byte"]),
    (["--kafka", "nowhere"], ["kafka", "nowhere", "HOST:PORT"]),
    (["--kafka", "127.0.0.1:70000"], ["kafka", "70000"]),
    (["surplus"], ["surplus"]),
], ids=str)  # fmt: skip
def test_a_bad_flag_is_refused_with_name_and_range(new_server, arguments, parts):
    server = new_server()
    status, text = server.refused(*arguments)
    assert status == 2
    assert [part for part in parts if part not in text] == [], text
    assert list(server.data.iterdir()) == []


def test_serve_without_a_directory_is_wrong_usage():
    result = run("serve", "--kafka", "127.0.0.1:0")
    assert (result.returncode, "--data" in result.stderr) == (2, True)


@pytest.mark.parametrize("name, value, parts", [
    ("MILLRACE_JOURNAL_FILE_BYTES", "12", ["MILLRACE_JOURNAL_FILE_BYTES", '"12"', "1 MiB to 16 GiB"]),
    ("MILLRACE_JOURNL_FILE_BYTES", "1MiB", ["MILLRACE_JOURNL_FILE_BYTES", "did you mean MILLRACE_JOURNAL_FILE_BYTES"]),
    ("MILLRACE_LOG_LEVEL", "", ["MILLRACE_LOG_LEVEL", "silent, normal or verbose"]),
], ids=str)  # fmt: skip
def test_a_bad_variable_is_refused_with_name_and_range(new_server, name, value, parts):
    status, text = new_server(**{name: value}).refused()
    assert status == 2
    assert [part for part in parts if part not in text] == [], text


@pytest.mark.parametrize("content, parts", [
    ("[journal]\nfile_bytes = 12\n", ["journal.file_bytes", "12", "1 MiB to 16 GiB"]),
    ("[journal]\nfile_byte = 12\n", ["journal.file_byte", "did you mean journal.file_bytes"]),
    ("[journal\n", ["line"]),
    ("[log]\nlevel = [1]\n", ["log.level", "must be"]),
], ids=str)  # fmt: skip
def test_a_bad_key_of_the_file_is_refused_with_name_and_range(new_server, tmp_path, content, parts):
    config = tmp_path / "millrace.toml"
    config.write_text(content)
    status, text = new_server().refused("--config", config)
    assert status == 2
    assert [part for part in [str(config), *parts] if part not in text] == [], text


def test_a_settings_file_that_is_not_there_is_refused_by_name(new_server):
    status, text = new_server().refused("--config", "/no/such.toml")
    assert (status, "/no/such.toml" in text) == (1, True)


def test_a_directory_is_no_settings_file(new_server, tmp_path):
    status, text = new_server().refused("--config", tmp_path)
    assert (status, f"{tmp_path}: a directory, not a file of settings" in text) == (2, True), text


def test_the_log_names_the_settings_file_that_was_read(new_server, tmp_path):
    config = tmp_path / "millrace.toml"
    config.write_text("[topic]\ndefault_partitions = 5\n")
    server = new_server("--config", config).start()
    wait_for("its name in the log", lambda: f"{config} was read" in server.process.text())


def test_flags_beat_variables_beat_the_file(new_server, tmp_path):
    config = tmp_path / "millrace.toml"
    config.write_text("[topic]\ndefault_partitions = 5\n")
    for expected, flags, variables in [
        (4, [], {}),
        (5, ["--config", config], {}),
        (6, ["--config", config], {"MILLRACE_TOPIC_DEFAULT_PARTITIONS": "6"}),
        (7, ["--config", config, "--topic-default-partitions", 7], {"MILLRACE_TOPIC_DEFAULT_PARTITIONS": "6"}),
    ]:
        server = new_server(*flags, **variables).start()
        with Connection(server.port) as connection:
            assert connection.topics("t", create=True) == {"t": (wire.NONE, expected)}
        assert server.terminate() == 0


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_an_address_others_can_reach_needs_insecure(new_server, address):
    status, text = new_server().refused("--kafka", address)
    assert status == 2
    assert address.rsplit(":", 1)[0].strip("[]") in text and "--insecure" in text


def test_a_wildcard_needs_an_address_to_tell_clients(new_server):
    status, text = new_server().refused("--kafka", "0.0.0.0:0", "--insecure")
    assert (status, "--kafka-advertise" in text) == (2, True)
    server = new_server("--insecure", "--kafka-advertise", "localhost:1234").start("--kafka", "0.0.0.0:0")
    with Connection(server.port) as connection:
        reader = connection.call(wire.METADATA, 4, wire.array([]) + b"\0")
        reader.get("i")
        brokers = reader.array(lambda: (reader.get("i"), reader.text(), reader.get("i"), reader.text()))
    assert brokers == [(1, "localhost", 1234, None)]


@pytest.mark.parametrize("kind", ["a file", "below a file", "not writable", "journal is a file"])
def test_a_directory_that_cannot_be_used_is_refused_by_name(new_server, tmp_path, kind):
    path = tmp_path / "data"
    if kind == "not writable":
        if os.geteuid() == 0:
            path = "/proc/data"  # nobody, root included, can write there
        else:
            path.mkdir(mode=0o500)
    elif kind == "journal is a file":
        path.mkdir()
        (path / "journal").write_text("in the way")
    else:
        path.write_text("in the way")
    path = f"{path}/below" if kind == "below a file" else path
    status, text = new_server(data=path).refused()
    assert (status, str(path) in text) == (1, True), text


def test_a_directory_of_something_else_is_left_as_it_is(new_server, tmp_path):
    """A server empties tmp/ and moves what it does not know out of tables/."""
    path = tmp_path / "home"
    for name in ("tmp/mine.txt", "tables/mine.parquet"):
        (path / name).parent.mkdir(parents=True)
        (path / name).write_text("mine")
    status, text = new_server(data=path).refused()
    assert status == 1 and f"{path}: it is no data directory, and not empty" in text, text
    assert sorted(str(one.relative_to(path)) for one in path.rglob("*")) == ["tables", "tables/mine.parquet", "tmp", "tmp/mine.txt"]
    mount = tmp_path / "mount"
    (mount / "lost+found").mkdir(parents=True)
    server = new_server(data=mount).start()
    assert server.terminate() == 0
    (mount / "notes.txt").write_text("beside it")
    assert server.start().terminate() == 0


@pytest.mark.parametrize("level, has_lines", [("silent", False), ("normal", True), ("verbose", True)])
def test_log_levels(new_server, level, has_lines):
    server = new_server("--log-level", level).start()
    assert server.terminate() == 0
    assert bool(server.process.log) == has_lines


def test_json_logs_are_a_json_object_a_line(new_server):
    server = new_server("--log-format", "json", "--log-level", "verbose").start()
    with Connection(server.port) as connection:
        connection.send_raw(b'\0\0\0\0"\\\n')
        assert connection.is_closed()
    assert server.terminate() == 0
    lines = [json.loads(line) for line in server.process.log]
    assert lines and all({"time", "severity", "component", "message"} <= line.keys() for line in lines)


# --- stop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_loses_nothing(server, number):
    acknowledged, failures = [], []
    with Connection(server.port) as connection:
        connection.create_topic("drain", partitions=3)

    def write(partition):
        try:
            with Connection(server.port) as connection:
                for i in range(1_000_000):
                    value = b"%d" % i
                    answer = connection.produce("drain", batch_of(value), partition)
                    if answer.error != wire.NONE:
                        return
                    acknowledged.append((partition, answer.base_offset, value))
        except (wire.Closed, OSError):
            pass  # the server is gone
        except Exception as error:  # noqa: BLE001 - it is shown by the assertion below
            failures.append(error)

    writers = [threading.Thread(target=write, args=(partition,)) for partition in range(3)]
    for writer in writers:
        writer.start()
    wait_for("300 acknowledged records", lambda: len(acknowledged) > 300)
    server.signal(number)
    assert server.process.wait() == 0
    for writer in writers:
        writer.join(20)
    assert failures == []
    server.start()
    with Connection(server.port) as connection:
        kept = {(p, offset, value) for p in range(3) for offset, value in connection.fetch_all("drain", partition=p)}
    assert set(acknowledged) <= kept
    assert len(kept) - len(acknowledged) <= 3  # written, and the answer did not get through


def test_a_waiting_fetch_does_not_hold_up_a_stop_beyond_the_deadline(new_server):
    server = new_server("--server-drain-ms", "500").start()
    fill(server, "t", 1)
    with Connection(server.port) as connection:
        connection.send_fetch("t", 1, wait_ms=60_000)
        connection.send_raw(b"\0\0")  # and half of the next request
        begun = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - begun < 10


def test_a_second_signal_ends_it_at_once(new_server):
    server = new_server("--server-drain-ms", "10m").start()
    fill(server, "t", 10)
    with Connection(server.port) as connection:
        connection.send_fetch("t", 10, wait_ms=60_000)
        connection.send_raw(b"\0\0")
        with Connection(server.port) as other:
            other.api_versions()
        server.signal()
        # Two signals of one kind that are both pending are one: the first must have been taken.
        wait_for("the port to be closed", lambda: not accepts(server))
        assert server.process.is_running(), "it should wait for the fetch"
        server.signal()
        begun = time.monotonic()
        server.process.wait(10)
        assert time.monotonic() - begun < 5
    server.start()
    assert len(values_of(server, "t")) == 10


def test_a_signal_during_start_leaves_a_good_directory(new_server):
    server = new_server(*SMALL).start()
    values = fill(server, "t", 3000)
    server.kill()
    chance = random.Random(5)
    took = []
    for _ in range(10):
        begun = time.monotonic()
        server.launch()
        # A random moment is the point here; nothing is awaited.
        time.sleep(chance.uniform(0, sum(took) / len(took) if took else 0.05))
        server.signal()
        assert server.process.wait() in (0, -signal.SIGTERM), server.process.text()
        if not took:
            server.start()
            took.append(time.monotonic() - begun)
            server.kill()
    server.start()
    assert values_of(server, "t") == values


# --- what is kept ----------------------------------------------------------------------------------


def test_a_restart_keeps_topics_settings_and_records(server):
    values = fill(server, "kept", 500)
    with Connection(server.port) as connection:
        assert connection.create_topic("other", 7, {"max.message.bytes": "1000"}) == (wire.NONE, None)
        assert connection.create_topic("deleted") == (wire.NONE, None)
        connection.produce("deleted", batch_of(b"old"))
        assert connection.delete_topic("deleted") == wire.NONE
    for _ in range(2):
        server.restart()
        with Connection(server.port) as connection:
            assert connection.topics() == {"kept": (wire.NONE, 1), "other": (wire.NONE, 7)}
            assert connection.produce("other", batch_of(b"x" * 1000), 6).error == wire.MESSAGE_TOO_LARGE
            assert connection.list_offset("kept", wire.LATEST)[2] == 500
        assert values_of(server, "kept") == values
    with Connection(server.port) as connection:
        connection.create_topic("deleted")
        assert connection.list_offset("deleted", wire.LATEST)[2] == 0
        assert connection.produce("kept", batch_of(b"next")).base_offset == 500


def test_kill_9_keeps_all_that_was_acknowledged(server):
    values = fill(server, "kept", 2000)
    for _ in range(3):
        server.kill()
        server.start()
        assert values_of(server, "kept") == values


def test_files_are_rotated_freed_and_recycled(new_server):
    server = new_server(*SMALL, "--journal-retention-check-ms", "100ms").start()
    with Connection(server.port) as connection:
        connection.create_topic("short", configs={"retention.bytes": str(1 << 20)})
        sent = 0

        def start_has_moved():
            nonlocal sent
            for _ in range(40):
                assert connection.produce("short", batch_of(b"x" * 50_000)).base_offset == sent
                sent += 1
            return connection.list_offset("short", wire.EARLIEST)[2]

        start = wait_for("a first offset above 0", start_has_moved, 30)
        assert connection.fetch("short", start - 1).error == wire.OFFSET_OUT_OF_RANGE
        assert len(connection.fetch_all("short", start)) == sent - start
        assert (sent - start) * 50_000 >= 1 << 20
    assert min(journal.files(server.data)) > 1
    server.kill()
    freed = [line for line in server.process.log if "freed: short partition 0 starts at" in line]
    assert freed and all(line.endswith("(retention.bytes)") for line in freed), freed
    assert f"starts at {start} " in "".join(freed)
    server.start()
    with Connection(server.port) as connection:
        assert connection.list_offset("short", wire.EARLIEST)[2] >= start
        assert connection.list_offset("short", wire.LATEST)[2] == sent


def test_an_idle_table_does_not_keep_the_journal(new_server):
    server = new_server(*SMALL, "--journal-retention-check-ms", "100ms", "--tables-flush-age-ms", "50ms").start()
    client = http.client.HTTPConnection(server.http_host, server.http_port, timeout=30)
    client.request("POST", "/write?db=main", b"idle n=1")
    assert client.getresponse().status == 204
    wait_for("its row in a file", lambda: list(server.data.glob("tables/main/idle~*/0*.parquet")))
    with Connection(server.port) as connection:
        connection.create_topic("short", configs={"retention.bytes": str(1 << 20)})
        for _ in range(200):  # ten files, and no flush any more
            assert connection.produce("short", batch_of(b"x" * 50_000)).error == wire.NONE
        wait_for("the first files to be freed", lambda: min(journal.files(server.data)) > 5)


def test_a_spent_disk_budget_is_an_error_that_heals_by_itself(new_server):
    flags = ("--journal-max-bytes", "8MiB", "--journal-retention-check-ms", "100ms")
    server = new_server(*SMALL, *NOWHERE, *flags).start()
    with Connection(server.port) as connection:
        connection.create_topic("hoard")
        connection.create_topic("poor")
        acknowledged = 0

        def is_full():
            nonlocal acknowledged
            answer = connection.produce("hoard", batch_of(b"x" * 100_000), version=8)
            if answer.error != wire.NONE:
                assert (answer.error, answer.base_offset) == (wire.KAFKA_STORAGE_ERROR, -1), answer.message
                return True
            assert answer.base_offset == acknowledged
            acknowledged += 1
            assert acknowledged * 100_000 < 16 << 20, "the budget is not obeyed"
            return False

        wait_for("the budget to be spent", is_full, 30)
        assert len(connection.fetch_all("hoard")) == acknowledged  # reads go on
        assert connection.delete_topic("hoard") == wire.NONE  # works on a full disk
        wait_for("room again", lambda: connection.produce("poor", batch_of(b"x" * 100_000)).error == wire.NONE)
    server.restart()
    assert len(values_of(server, "poor")) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB, where that can be had."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24M", "tmpfs", path], capture_output=True, check=False
    ).returncode
    if mounted != 0:
        pytest.skip("mounting a small file system is not allowed here; the spent budget is tested without")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_a_full_disk_is_an_error_that_heals_by_itself(new_server, small_disk):
    server = new_server(*SMALL, "--journal-max-bytes", "1GiB", data=small_disk / "data").start()
    with Connection(server.port) as connection:
        connection.create_topic("t")
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"\0" * (12 << 20))
        acknowledged = 0

        def write():
            nonlocal acknowledged
            answer = connection.produce("t", batch_of(b"x" * 100_000), version=8)
            if answer.error == wire.NONE:
                assert answer.base_offset == acknowledged
                acknowledged += 1
                return False
            assert (answer.error, answer.base_offset) == (wire.KAFKA_STORAGE_ERROR, -1), answer.message
            return True

        wait_for("the disk to be full", write, 30)
        assert len(connection.fetch_all("t")) == acknowledged
        ballast.unlink()
        wait_for("room again", lambda: not write())
        ballast.write_bytes(b"\0" * (4 << 20))
        wait_for("the disk to be full again", write, 30)
    server.kill()
    server.start()  # on a full disk
    assert len(values_of(server, "t")) == acknowledged


def test_a_topic_for_larger_batches_than_the_server_takes_is_refused(new_server):
    server = new_server("--memory-max-bytes", "128MiB").start()
    with Connection(server.port) as connection:
        error, message = connection.create_topic("t", 1, {"max.message.bytes": "30000000"})
        assert error == wire.INVALID_CONFIG and "memory.max_bytes" in message
        most = int(re.search(r"up to (\d+) bytes", message)[1])
        assert connection.create_topic("t", 1, {"max.message.bytes": str(most + 1)})[0] == wire.INVALID_CONFIG
        assert connection.create_topic("t", 1, {"max.message.bytes": str(most)}) == (wire.NONE, None)
        fits = batch_of(b"x" * (most - 1000))
        largest = batch_of(b"x" * (most - 1000 + most - len(fits)))
        assert len(largest) == most and connection.produce("t", largest).error == wire.NONE
        assert connection.produce("t", batch_of(b"x" * (most + 1))).error == wire.MESSAGE_TOO_LARGE
