"""The verbs of the command line: what they print, and how they end."""

import json
import os
import signal
import subprocess

import pytest

from . import journal
from .server import binary, environment, run, wait_for

VERBS = [["serve"], ["topic"], ["topic", "create"], ["topic", "list"], ["topic", "describe"], ["topic", "delete"],
         ["produce"], ["consume"], ["dump"], ["version"]]  # fmt: skip


@pytest.fixture
def cli(shared):
    """cli("topic", "list"): the output; status and refusals by cli.run."""

    def call(*arguments, **options):
        result = call.run(*arguments, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    call.run = lambda *arguments, **options: run(*arguments, **options, MILLRACE_KAFKA=shared.address)
    return call


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("verb", [[], *VERBS], ids=" ".join)
def test_every_verb_has_help(verb):
    result = run(*verb, "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout
    if verb:
        assert verb[-1] in result.stdout


@pytest.mark.parametrize("verb", ["serve", "topic", "produce", "consume", "dump"])
def test_help_shows_examples_and_exit_codes(verb):
    out = run(verb, "--help").stdout
    assert f"millrace {verb}" in out and "Example" in out and "Exit codes" in out


@pytest.mark.parametrize("arguments", [
    [], ["no-such-verb"], ["topic"], ["topic", "no-such-verb"], ["topic", "create"], ["consume"], ["dump"],
    ["version", "--no-such-flag"], ["consume", "t", "--from", "yesterday"], ["topic", "create", "t", "-c", "nothing"],
], ids=" ".join)  # fmt: skip
def test_wrong_usage_is_status_2_and_said_on_standard_error(cli, arguments):
    result = cli.run(*arguments)
    assert (result.returncode, result.stdout, bool(result.stderr)) == (2, "", True)


def test_no_server_is_status_3_and_says_what_to_do():
    verbs = ["topic list", "topic create t", "topic describe t", "topic delete t", "consume t"]
    running = [
        subprocess.Popen(
            [binary(), *verb.split(), "--kafka", "127.0.0.1:1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        )
        for verb in verbs
    ]  # fmt: skip
    for verb, child in zip(verbs, running, strict=True):
        out, told = child.communicate(timeout=60)
        assert (child.returncode, out) == (3, ""), verb
        assert "127.0.0.1:1" in told and "millrace serve" in told, verb


def test_version():
    out = run("version").stdout
    version = json.loads(run("version", "--json").stdout)
    assert f"millrace {version['version']}" in out and version["journal_format"] == 1


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
