"""The verbs of the command line: what they print, and how they end."""

import contextlib
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from . import journal
from .s3 import NOWHERE
from .server import binary, environment, run, wait_for

@pytest.fixture
def cli(shared):
    """cli("topic", "list"): the output; status and refusals by cli.run."""

    def call(*arguments, **options):
        result = call.run(*arguments, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    call.run = lambda *arguments, **options: run(
        *arguments, **options, MILLRACE_KAFKA=shared.address, MILLRACE_HTTP=shared.http_address
    )
    return call


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("arguments", [
    [], ["no-such-verb"], ["topic"], ["topic", "no-such-verb"], ["topic", "create"], ["consume"], ["dump"],
    ["version", "--no-such-flag"], ["consume", "t", "--from", "yesterday"], ["topic", "create", "t", "-c", "nothing"],
], ids=" ".join)  # fmt: skip
def test_wrong_usage_is_status_2_and_said_on_standard_error(cli, arguments):
    result = cli.run(*arguments)
    assert (result.returncode, result.stdout, bool(result.stderr)) == (2, "", True)


def test_no_server_is_status_3_and_says_what_to_do():
    verbs = ["topic list", "topic create t", "topic describe t", "topic delete t", "consume t", "verify t", "produce t",
             "bench produce", "bench consume"]  # fmt: skip
    running = [
        subprocess.Popen(
            [binary(), *verb.split(), "--kafka", "127.0.0.1:1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        )
        for verb in verbs
    ]  # fmt: skip
    texts = set()
    for verb, child in zip(verbs, running, strict=True):
        out, told = child.communicate(timeout=60)
        assert (child.returncode, out) == (3, ""), verb
        assert "127.0.0.1:1" in told and "millrace serve" in told, verb
        texts.add(told.split(": ")[-1])
    assert len(texts) == 1, texts  # whatever was tried


@pytest.mark.parametrize("verb", [["topic", "list"], ["bench", "consume"], ["bench", "produce"], ["consume", "t"]], ids=" ".join)
def test_a_flag_beats_the_variable_of_kafka(shared, verb):
    result = run(*verb, "--kafka", "127.0.0.1:1", MILLRACE_KAFKA=shared.address)
    assert (result.returncode, result.stdout) == (3, "")


@pytest.mark.parametrize("verb", [["table", "list"], ["table", "describe", "t"], ["table", "flush", "t"], ["sql", "SELECT 1"]], ids=" ".join)
def test_a_flag_beats_the_variable_of_http(shared, verb):
    result = run(*verb, "--http", "127.0.0.1:1", MILLRACE_HTTP=shared.http_address)
    assert (result.returncode, result.stdout) == (3, "")


def test_a_port_of_the_other_protocol_is_said_to_be_that(shared):
    kafka = run("topic", "list", "--kafka", shared.http_address)
    assert (kafka.returncode, "HTTP is served there" in kafka.stderr) == (3, True), kafka.stderr
    web = run("sql", "SELECT 1", "--http", shared.address)
    assert web.returncode == 1 and "of of" not in web.stderr
    assert f"is that HTTP? {shared.address} may serve another protocol" in web.stderr


@pytest.mark.parametrize("arguments, status", [
    (["topic", "describe", "nope"], 1), (["topic", "delete", "nope"], 1), (["topic", "create", "bad name"], 1),
    (["consume", "nope"], 1), (["consume", "nope", "--from", "yesterday"], 2), (["produce", "t", "/no/such/file"], 1),
    (["sql", "SELEC 1"], 1), (["table", "describe", "nope"], 1), (["table", "flush"], 2), (["dump", "/no/such"], 1), (["fsck", "--data", "/no/such"], 2),
    (["bench", "consume", "-t", "nope"], 1), (["bench", "ingest", "--rows", "0"], 2), (["version", "--no-such"], 2),
    (["table", "list", "--http", "127.0.0.1:1"], 3), (["bench", "ingest", "--http", "127.0.0.1:1"], 3),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")  # fmt: skip
def test_errors_under_json_are_json_with_the_same_status(cli, arguments, status):
    plain = cli.run(*arguments)
    result = cli.run(*arguments, "--json")
    assert (plain.returncode, result.returncode) == (status, status)
    (message,) = [json.loads(line)["error"]["message"] for line in result.stderr.splitlines()]
    # What the query says of its own time differs from one to the next.
    assert plain.stderr.startswith("millrace: ") and message.split("\n")[0] in plain.stderr


def test_a_topic_that_is_not_there_has_a_next_step(cli):
    cli("topic", "create", "cli-orders")
    for verb in (["topic", "describe"], ["topic", "delete"], ["consume"]):
        told = cli.run(*verb, "cli-oders").stderr
        assert "there is no topic cli-oders; did you mean cli-orders?" in told and "millrace topic list" in told
    assert "make it with: millrace bench produce -t no-bench" in cli.run("bench", "consume", "-t", "no-bench").stderr


def test_version():
    out = run("version").stdout
    version = json.loads(run("version", "--json").stdout)
    assert f"millrace {version['version']} (formats: journal 1, segment objects 1, catalog {version['catalog_format']})" in out
    assert (version["journal_format"], version["segment_format"]) == (1, 1) and version["catalog_format"] >= 1


def test_topics_are_made_listed_described_and_deleted(cli):
    assert "created topic cli-a" in cli("topic", "create", "cli-a", "-p", 3, "-c", "retention.ms=60000")
    assert json.loads(cli("topic", "create", "cli-b", "--json")) == {"created": "cli-b"}
    listed = {topic["name"]: topic["partitions"] for topic in json.loads(cli("topic", "list", "--json"))}
    assert (listed["cli-a"], listed["cli-b"]) == (3, 4)
    assert "cli-a" in cli("topic", "list")
    described = json.loads(cli("topic", "describe", "cli-a", "--json"))
    assert described["name"] == "cli-a"
    assert [(p["partition"], p["start"], p["end"]) for p in described["partitions"]] == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]
    assert "deleted topic cli-a" in cli("topic", "delete", "cli-a")
    assert json.loads(cli("topic", "delete", "cli-b", "--json")) == {"deleted": "cli-b"}
    assert not {"cli-a", "cli-b"} & {topic["name"] for topic in json.loads(cli("topic", "list", "--json"))}


@pytest.mark.parametrize("arguments, part", [
    (["topic", "describe", "nobody-made-this"], "nobody-made-this"),
    (["topic", "delete", "nobody-made-this"], "nobody-made-this"),
    (["topic", "create", "bad name"], "bad name"),
    (["topic", "create", "t", "-p", 0], "0"),
    (["topic", "create", "t", "-c", "no.such=1"], "no.such"),
    (["consume", "nobody-made-this"], "nobody-made-this"),
    (["dump", "/no/such/directory"], "/no/such/directory"),
    (["produce", "t", "/no/such/file"], "/no/such/file"),
], ids=str)  # fmt: skip
def test_what_fails_is_status_1_or_2_and_named(cli, arguments, part):
    result = cli.run(*arguments)
    assert result.returncode in (1, 2)
    assert result.stderr.startswith("millrace: ") and part in result.stderr
    assert result.stdout == "" or arguments[0] == "produce"


def test_a_topic_that_exists_is_status_1(cli):
    cli("topic", "create", "cli-twice")
    result = cli.run("topic", "create", "cli-twice")
    assert (result.returncode, "cli-twice" in result.stderr) == (1, True)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_lines_go_in_and_out(cli, codec):
    topic = f"cli-{codec}"
    text = "".join(f"key-{i}:value {i} : with a colon\n" for i in range(1000)) + "no key at all\n"
    cli("topic", "create", topic, "-p", 1)
    sent = json.loads(cli("produce", topic, "-k", ":", "-H", "h=1", "-H", "i=2", "-z", codec, "--json", stdin=text))
    assert (sent["delivered"], sent["failed"]) == (1001, 0)
    records = lines(cli("consume", topic, "--json"))
    assert [record["offset"] for record in records] == list(range(1001))
    assert records[7]["key"], records[7]["value"] == ("key-7", "value 7 : with a colon")
    assert records[7]["headers"] == [["h", "1"], ["i", "2"]]
    assert (records[-1]["key"], records[-1]["value"]) == (None, "no key at all")
    assert cli("consume", topic, "-o", 998, "-n", 2) == "value 998 : with a colon\nvalue 999 : with a colon\n"
    assert cli("consume", topic, "-o", 999, "-n", 1, "-K") == "key-999\tvalue 999 : with a colon\n"
    assert cli("consume", topic, "-o", f"@{records[500]['timestamp']}", "-n", 1, "--json")
    assert cli("consume", topic, "-o", "latest") == ""


def test_a_record_too_large_is_reported_and_the_status_says_so(cli):
    cli("topic", "create", "cli-narrow", "-p", 1, "-c", "max.message.bytes=500")
    result = cli.run("produce", "cli-narrow", "--json", stdin="x" * 2000 + "\n")
    assert result.returncode == 1
    assert json.loads(result.stdout)["failed"] == 1
    assert result.stderr


def test_follow_prints_what_comes(cli, shared):
    cli("topic", "create", "cli-follow", "-p", 1)
    with subprocess.Popen(
        [binary(), "consume", "cli-follow", "-f", "-n", "2"],
        stdout=subprocess.PIPE, text=True, env=environment(MILLRACE_KAFKA=shared.address),
    ) as follower:  # fmt: skip
        try:
            cli("produce", "cli-follow", stdin="one\n")
            assert follower.stdout.readline() == "one\n"
            cli("produce", "cli-follow", stdin="two\n")
            assert follower.stdout.readline() == "two\n"
            assert follower.wait(20) == 0
        finally:
            follower.kill()


def test_a_reader_that_goes_away_ends_consume(cli, shared):
    cli("topic", "create", "cli-pipe", "-p", 1)
    cli("produce", "cli-pipe", stdin="line\n" * 20_000)
    with subprocess.Popen(
        [binary(), "consume", "cli-pipe", "-f"], stdout=subprocess.PIPE, env=environment(MILLRACE_KAFKA=shared.address)
    ) as follower:
        try:
            assert follower.stdout.readline() == b"line\n"
            follower.stdout.close()
            wait_for("consume to end after its pipe was closed", lambda: follower.poll() is not None, 10)
        finally:
            follower.kill()


def test_interrupting_consume_ends_it(cli, shared):
    cli("topic", "create", "cli-interrupt", "-p", 1)
    cli("produce", "cli-interrupt", stdin="line\n")
    with subprocess.Popen(
        [binary(), "consume", "cli-interrupt", "-f"], stdout=subprocess.PIPE, env=environment(MILLRACE_KAFKA=shared.address)
    ) as follower:
        try:
            assert follower.stdout.readline() == b"line\n"
            os.kill(follower.pid, signal.SIGINT)
            follower.wait(10)
        finally:
            follower.kill()


def started(shared, *arguments, **options):
    return subprocess.Popen(
        [binary(), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        env=environment(MILLRACE_KAFKA=shared.address, MILLRACE_HTTP=shared.http_address),
    )  # fmt: skip


def ended(child):
    out, told = child.communicate(timeout=60)
    return child.returncode, out, told


def test_interrupting_consume_says_how_many_came(cli, shared):
    cli("topic", "create", "cli-counted", "-p", 1)
    cli("produce", "cli-counted", stdin="a\nb\n")
    child = started(shared, "consume", "cli-counted", "-f")
    assert (child.stdout.readline(), child.stdout.readline()) == ("a\n", "b\n")
    child.send_signal(signal.SIGINT)
    assert ended(child) == (130, "", "millrace: interrupted after 2 records\n")


def test_following_a_topic_ends_when_it_is_deleted(cli, shared):
    cli("topic", "create", "cli-leaving")
    cli("produce", "cli-leaving", stdin="a\nb\n")
    child = started(shared, "consume", "cli-leaving", "-f")
    assert {child.stdout.readline(), child.stdout.readline()} == {"a\n", "b\n"}
    cli("topic", "delete", "cli-leaving")
    status, _, told = ended(child)
    assert (status, told) == (1, "millrace: topic cli-leaving was deleted\n")


def test_following_says_when_the_server_is_away_and_goes_on_when_it_is_back(new_server):
    server = new_server().start()
    for_server = {"MILLRACE_KAFKA": server.address}
    assert run("produce", "t", stdin="before\n", **for_server).returncode == 0
    with started(server, "consume", "t", "-f") as child:
        assert child.stdout.readline() == "before\n"
        server.kill()
        assert "does not answer; waiting for it" in child.stderr.readline()
        server.start("--kafka", for_server["MILLRACE_KAFKA"])
        assert run("produce", "t", stdin="after\n", **for_server).returncode == 0
        assert child.stdout.readline() == "after\n"
        child.send_signal(signal.SIGINT)
        assert ended(child)[0] == 130


@pytest.mark.parametrize("arguments", [["topic", "list"], ["topic", "create", "x"], ["consume", "x"], ["produce", "x"]], ids=" ".join)
def test_a_wrong_kafka_address_is_told_soon(arguments):
    begun = time.monotonic()
    result = run(*arguments, stdin="", MILLRACE_KAFKA="127.0.0.1:1")
    assert result.returncode == 3 and "nobody answers" in result.stderr
    assert time.monotonic() - begun < 9, "the wait for an answer that may come is 10 s"


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_interrupting_produce_says_how_many_records_are_durable(cli, shared, form):
    topic = f"cli-stopped{len(form)}"
    cli("topic", "create", topic, "-p", 1)
    child = started(shared, "produce", topic, *form, stdin=subprocess.PIPE)
    child.stdin.write("one\ntwo\nthe half of")
    child.stdin.flush()
    wait_for("the records", lambda: cli("consume", topic) == "one\ntwo\n")
    child.send_signal(signal.SIGINT)
    status, out, told = ended(child)
    message = "interrupted: 2 records durable, 0 not acknowledged"
    if form:
        assert json.loads(told) == {"error": {"message": message}}
        assert json.loads(out)["delivered"] == 2
    else:
        assert (out, told) == ("", f"millrace: {message}\n")
    assert status == 130
    assert cli("consume", topic) == "one\ntwo\n"  # half a line is no record


def test_an_interrupt_before_a_server_has_answered_ends_at_once(cli, shared):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        child = subprocess.Popen(
            [binary(), "produce", "t", "--kafka", "127.0.0.1:%d" % deaf.getsockname()[1]], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip
        connection, _ = deaf.accept()  # it is up
        child.send_signal(signal.SIGINT)
        assert ended(child)[0] == -signal.SIGINT
        connection.close()


@pytest.mark.parametrize("arguments", [
    ["produce", "-t", "cli-b1", "-r", "100", "-n", "1000000"], ["produce", "-t", "cli-b2", "-n", "100000000", "-s", "10"],
    ["ingest", "-d", "cli-b3", "-w", "0", "-s", "1000", "-c", "2", "-b", "10"],
], ids=["open loop", "as fast as it goes", "ingest"])  # fmt: skip
def test_interrupting_bench_prints_what_was_measured(cli, shared, arguments):
    child = started(shared, "bench", *arguments, "--json")

    def has_begun():
        if arguments[0] == "ingest":
            return any(t["database"] == "cli-b3" for t in json.loads(cli("table", "list", "--json"))["tables"])
        return cli.run("consume", arguments[2], "-n", 1).stdout != ""

    wait_for("the load", has_begun, 30)
    child.send_signal(signal.SIGINT)
    status, out, told = ended(child)
    report = json.loads(out)
    assert (status, json.loads(told)["error"]["message"]) == (130, "interrupted")
    assert report["is_interrupted"] and 0 < report["seconds"] < 60
    assert report.get("records", report.get("total_rows_acknowledged")) > 0
    assert report.get("is_exact", True)
    for topic in ("cli-b1", "cli-b2", "cli-b3.m0"):
        cli.run("topic", "delete", topic)


def test_bench_consume_reads_to_the_end(cli):
    cli("bench", "produce", "-t", "cli-b4", "-n", 10)
    report = json.loads(cli("bench", "consume", "-t", "cli-b4", "--json"))
    assert (report["records"], report["is_interrupted"]) == (10, False)


def test_a_null_key_is_no_empty_key(cli):
    cli("topic", "create", "cli-null", "-p", 1)
    cli("produce", "cli-null", "-k", ":", stdin="no key\n:empty\nk:v\n")
    assert cli("consume", "cli-null", "-K") == "\\N\tno key\n\tempty\nk\tv\n"
    assert [record["key"] for record in lines(cli("consume", "cli-null", "--json"))] == [None, "", "k"]
    assert "\\N is a null key" in run("consume", "--help").stdout


def test_headers_and_settings_do_not_swallow_what_follows(cli, tmp_path):
    (tmp_path / "lines.txt").write_text("from the file\n")
    cli("topic", "create", "-c", "retention.ms=60000", "-c", "retention.bytes=1048576", "cli-pairs", "-p", 1)
    cli("produce", "cli-pairs", "-H", "a=1", tmp_path / "lines.txt", stdin="from standard input\n")
    (record,) = lines(cli("consume", "cli-pairs", "--json"))
    assert (record["value"], record["headers"]) == ("from the file", [["a", "1"]])


@pytest.mark.parametrize("acks", ["all", "-1", "1", "0"])
def test_acks_take_a_word_too(cli, acks):
    answered = None if acks == "0" else 1
    assert json.loads(cli("produce", "cli-acks", f"--acks={acks}", "--json", stdin="x\n"))["delivered"] == answered
    assert cli("produce", "cli-acks", stdin="x\n").startswith("1 record durable in ")


def test_an_offset_out_of_range_is_told_the_range(cli):
    cli("topic", "create", "cli-range", "-p", 1)
    told = cli.run("consume", "cli-range", "-o", 5).stderr
    assert "cli-range partition 0: offset 5 is out of range, there are no records; the next offset is 0" in told
    cli("produce", "cli-range", stdin="a\nb\n")
    result = cli.run("consume", "cli-range", "-p", 0, "-o", 1000)
    assert (result.returncode, "offset 1000 is out of range, offsets are 0 to 1" in result.stderr) == (1, True)


def write_row(shared, database):
    connection = http.client.HTTPConnection(shared.http_address, timeout=20)
    connection.request("POST", f"/write?db={database}", b"cpu usage=1 1000\ncpu usage=2 2000\n")
    answer = connection.getresponse()
    assert answer.status == 204, answer.read()
    connection.close()


def test_the_topic_of_a_table_takes_no_records_and_takes_the_table_with_it(cli, shared):
    write_row(shared, "cli-doomed")
    result = cli.run("produce", "cli-doomed.cpu", stdin="x\n")
    assert result.returncode == 1 and "the topic of a table, which takes rows by HTTP" in result.stderr
    told = cli("topic", "delete", "cli-doomed.cpu")
    assert told == "deleted topic cli-doomed.cpu, and with it the table cli-doomed.cpu of 2 rows\n"
    write_row(shared, "cli-doomed")
    deleted = json.loads(cli("topic", "delete", "cli-doomed.cpu", "--json"))
    assert deleted == {"deleted": "cli-doomed.cpu", "table": {"name": "cli-doomed.cpu", "rows": 2}}


@contextlib.contextmanager
def canned_metrics(text):
    """The address of an HTTP server that answers every GET with `text`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield "127.0.0.1:%d" % server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_describe_says_that_a_topic_pins_the_journal(cli):
    cli("topic", "create", "cli-pin", "-p", 1)
    cli("topic", "create", "cli-pi", "-p", 1)
    metrics = (
        "# HELP millrace_journal_pinned_bytes Journal that a topic keeps.\n"
        'millrace_journal_pinned_bytes{topic="cli-pin-2"} 7\n'
        'millrace_journal_pinned_bytes{topic="cli-pin"} 73\n'
        "millrace_journal_bytes 2.5e+08\n"
    )
    with canned_metrics(metrics) as address:
        text = cli("topic", "describe", "cli-pin", "--http", address)
        assert "pins the journal's oldest file by 73 bytes of its own there: all 250000000 bytes" in text
        described = json.loads(cli("topic", "describe", "cli-pin", "--http", address, "--json"))
        assert described["journal_pinned_bytes"] == 73
        assert described["journal_kept_bytes"] == 250_000_000
        assert "pins" not in cli("topic", "describe", "cli-pi", "--http", address)
    for quiet in (cli.run("topic", "describe", "cli-pin", "--http", "127.0.0.1:1"), cli.run("topic", "describe", "cli-pin")):
        assert (quiet.returncode, "pins" in quiet.stdout, quiet.stderr) == (0, False, "")


def test_a_spent_budget_is_not_a_server_that_is_away(new_server):
    server = new_server("--journal-file-bytes", "1MiB", "--journal-max-bytes", "8MiB", *NOWHERE).start()
    settings = {"MILLRACE_KAFKA": server.address, "MILLRACE_HTTP": server.http_address}
    run("topic", "create", "hoard", "-p", 1, **settings)
    line = "x" * 100_000 + "\n"
    result = run("produce", "hoard", "--timeout", 8, stdin=line * 160, timeout=60, **settings)
    assert result.returncode == 1
    assert "the server answers, but acknowledged nothing" in result.stderr and "journal.max_bytes" in result.stderr
    assert "no acknowledgement for 5 s" in result.stderr and "millrace serve" not in result.stderr
    assert " durable, " in result.stderr
    load = run("bench", "ingest", "-s", 1, "-w", 0, "--wait", 2, "-c", 1, "-b", 20_000, "--json", timeout=60, **settings)
    assert (load.returncode, load.stdout) == (1, "")
    assert "no row was acknowledged in 2 s" in json.loads(load.stderr)["error"]["message"]


@pytest.mark.parametrize("flags, part", [
    (["--memory-max-bytes", "1"], 'memory.max_bytes is "1", must be 0 or at least 64 MiB'),
    (["--journal-max-bytes", "1"], 'journal.max_bytes is "1", must be 0 or at least 8 MiB'),
    (["--kafka-advertise", "foo:0"], "kafka_advertise: foo:0 has port 0"),
    (["--http", "http://127.0.0.1:1"], "leave out http://"),
], ids=" ".join)  # fmt: skip
def test_settings_that_cannot_be_served_are_status_2_and_leave_no_directory(tmp_path, flags, part):
    result = run("serve", "--data", tmp_path / "new", *flags)
    assert (result.returncode, part in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "new").exists()


def test_a_port_that_is_taken_leaves_no_directory(tmp_path, shared):
    for flags in (["--kafka", shared.address], ["--kafka", "127.0.0.1:0", "--http", shared.http_address]):
        result = run("serve", "--data", tmp_path / "new", *flags)
        assert result.returncode == 1 and flags[-1] in result.stderr
        assert not (tmp_path / "new").exists()


def test_a_file_is_no_data_directory(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("serve", "--data", tmp_path / "file")
    assert (result.returncode, f"{tmp_path / 'file'} is not a directory" in result.stderr) == (1, True)


def test_dump_prints_runs_and_frames_and_changes_nothing(cli, new_server):
    server = new_server().start()
    run("topic", "create", "t", "-p", 1, "--kafka", server.address)
    run("produce", "t", "-z", "zstd", "--kafka", server.address, stdin="a line that repeats itself, \n" * 1000)
    assert server.terminate() == 0
    before = journal.checksums(server.data)
    dumped = lines(run("dump", server.data, "--json").stdout)
    (path,) = journal.files(server.data).values()
    assert dumped == lines(run("dump", path, "--json").stdout)
    assert len(run("dump", server.data).stdout.splitlines()) == len(dumped)
    assert journal.checksums(server.data) == before
    runs = [line for line in dumped if line["type"] == "run"]
    assert [line["run"] for line in runs] == [run.run for run in journal.runs(server.data)]
    assert runs[0]["checkpoint"] and not runs[-1]["checkpoint"]
    batches = [line for line in dumped if line["type"] == "batch"]
    assert sum(batch["records"] for batch in batches) == 1000
    assert "zstd" in {batch["codec"] for batch in batches}  # librdkafka leaves the smallest as they are
    assert [line["operation"] for line in dumped if line.get("kind") == "topic"] == ["put"]
