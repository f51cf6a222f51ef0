"""What --help promises: every verb has examples, and each of them runs as it stands."""

import os
import select
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios
from fcntl import ioctl

import pytest

from .server import Process, binary, environment, run

# In this order they feed one another: what deletes comes last.
ORDER = [
    "", "topic create", "topic", "topic list", "topic describe", "produce", "consume", "verify", "sql", "table list", "table",
    "table describe", "table flush", "dump", "fsck", "bench produce", "bench consume", "bench ingest", "bench append", "bench", "version", "help",
    "topic delete-records", "topic delete",
]  # fmt: skip


def help_of(verb):
    result = run(*verb.split(), "--help")
    assert result.returncode == 0, result.stderr
    return result.stdout


def subcommands(text):
    part = text.partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\S+) ", part, re.MULTILINE)


def all_verbs(verb=""):
    below = subcommands(help_of(verb))
    return [verb] + [name for sub in below for name in all_verbs(f"{verb} {sub}".strip())]


def examples(verb):
    part = help_of(verb).partition("\nExamples:\n")[2].partition("\n\n")[0]
    return [line.strip() for line in part.splitlines()]


def test_every_verb_has_examples_of_its_own_and_exit_codes():
    verbs = all_verbs()
    assert {"serve", "topic create", "bench ingest", "table flush", "version"} <= set(verbs)
    for verb in verbs:
        assert f"Usage: millrace {verb}".strip() in help_of(verb)
        assert any(f"millrace {verb}".strip() in example for example in examples(verb)), verb
        assert "Exit codes: 0 done" in help_of(verb), verb
        assert "(1x" not in help_of(verb), verb  # how often an argument may stand, in CLI11's words
    assert "Usage: millrace table describe [OPTIONS] name..." in help_of("table describe")
    assert "Usage: millrace dump [OPTIONS] [path]\n" in help_of("dump")


# Verbs that want a directory without a server: their examples run in this order, too.
STOPPED = ["rebuild"]


def test_every_verb_is_in_the_order_of_examples():
    assert set(ORDER) | {"serve", *STOPPED} == set(all_verbs())


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A directory with a server started by the example of serve, and a way to run a line of shell there."""
    here = tmp_path_factory.mktemp("examples")
    (here / "bin").mkdir()
    (here / "bin" / "millrace").symlink_to(binary().resolve())
    (command, *_) = [line for line in examples("serve") if line.startswith("millrace serve ")]
    # The example's ports may be taken on this machine: the variables move it, the line stays as it is.
    words = shlex.split(command)[2:]
    moved = {"MILLRACE_KAFKA": "127.0.0.1:0", "MILLRACE_HTTP": "127.0.0.1:0"}
    stopped = Process(["--data", "data-copy"], moved, cwd=here)  # what fsck is for
    stopped.await_ready()
    stopped.popen.terminate()
    assert stopped.wait() == 0
    server = Process(words, moved, cwd=here)
    _, _, kafka_host, kafka_port, http_host, http_port = server.await_ready()
    http = f"{http_host}:{http_port}"
    settings = environment(MILLRACE_KAFKA=f"{kafka_host}:{kafka_port}", MILLRACE_HTTP=http)
    settings["PATH"] = f"{here / 'bin'}:{settings['PATH']}"

    def start(line):
        # curl has no variable for the address.
        line = line.replace("http://127.0.0.1:8086/", f"http://{http}/")
        return subprocess.Popen(
            ["bash", "-c", f"exec {line}" if line.startswith("millrace ") else line], cwd=here, env=settings, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    yield start
    server.kill()


def test_examples_run_as_they_stand(shell):
    ran = 0
    for verb in ORDER:
        for line in examples(verb):
            if line.startswith("millrace serve"):
                continue
            child = shell(line)
            if "--follow" in line:
                while "dump" in line and not select.select([child.stdout], [], [], 0.2)[0]:  # of what comes now
                    assert shell("echo now | millrace produce followed").wait(30) == 0
                first = child.stdout.readline()  # a record of the past, then it waits
                os.kill(child.pid, signal.SIGINT)
                out, told = child.communicate(timeout=30)
                assert (first != "", child.returncode) == (True, 130), (line, told)
            else:
                out, told = child.communicate(timeout=90)
                assert child.returncode == 0, (verb, line, out, told)
            ran += 1
    assert ran > 40


def test_examples_of_verbs_without_a_server(tmp_path):
    (command, *_) = examples("serve")
    server = Process(shlex.split(command)[2:], {"MILLRACE_KAFKA": "127.0.0.1:0", "MILLRACE_HTTP": "127.0.0.1:0"}, cwd=tmp_path)
    server.await_ready()
    server.kill()
    for verb in STOPPED:
        for line in examples(verb):
            words = shlex.split(line)
            assert words[0] == "millrace"
            done = subprocess.run([binary(), *words[1:]], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, (line, done.stdout, done.stderr)


@pytest.mark.parametrize("line", examples("serve") if binary().exists() else [])
def test_examples_of_serve_start(line, tmp_path):
    variables = dict(word.split("=", 1) for word in shlex.split(line) if word.startswith("MILLRACE_"))
    words = [word for word in shlex.split(line) if not word.startswith("MILLRACE_")][2:]
    moved = {"MILLRACE_KAFKA": "127.0.0.1:0", "MILLRACE_HTTP": "127.0.0.1:0"}
    server = Process(words, {**moved, **variables}, cwd=tmp_path)
    try:
        server.await_ready()
    finally:
        server.kill()


@pytest.mark.parametrize("verb", ["", "serve", "produce", "bench ingest"])
def test_help_fits_into_100_columns_and_into_the_terminal(verb):
    assert max(map(len, without_examples(help_of(verb)).splitlines())) <= 100
    for columns in (60, 150):
        text = on_a_terminal(columns, *verb.split(), "--help")
        assert max(map(len, without_examples(text).splitlines())) <= columns
        if verb == "serve":
            assert (max(map(len, text.splitlines())) > 100) == (columns > 100)


def without_examples(text):
    before, _, after = text.partition("\nExamples:\n")
    return before + after.partition("\n\n")[2]


def on_a_terminal(columns, *arguments):
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([binary(), *arguments], stdin=follower, stdout=follower, env=environment()) as child:
        os.close(follower)
        text = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            text += chunk
        assert child.wait(30) == 0
    os.close(leader)
    return text.decode().replace("\r\n", "\n")


def test_help_of_serve_names_types():
    text = help_of("serve")
    for part in ("--kafka HOST:PORT", "--journal-max-bytes SIZE", "--server-drain-ms DURATION", "--query-rows NUMBER",
                 "--insecure BOOL", "--log-level silent|normal|verbose"):  # fmt: skip
        assert f"  {part}" in text, part


def test_the_verb_help_is_the_same_as_the_flag():
    assert run("help").stdout == help_of("")
    assert run("help", "topic", "create").stdout == help_of("topic create")
    wrong = run("help", "topic", "crate")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert '"millrace topic" has no verb "crate"; did you mean create?' in wrong.stderr


@pytest.mark.parametrize("arguments, part", [
    (["srve"], '"millrace" has no verb "srve"; did you mean serve?'),
    (["topic", "delte", "x"], '"millrace topic" has no verb "delte"; did you mean delete?'),
    (["bench", "prod"], "did you mean produce?"),
    (["topic", "alter", "--help"], '"millrace topic" has no verb "alter"'),
    (["alter", "--help"], '"millrace" has no verb "alter"'),
    (["topic", "create", "nums", "-b", "3"], "millrace topic create has no option -b"),
    (["topic", "list", "nums", "-b"], "millrace topic list has no option -b"),
    (["topic", "create", "nums", "--partition=3"], "has no option --partition; did you mean --partitions?"),
    (["topic", "list", "nums"], 'millrace topic list: unexpected "nums"'),
    (["topic"], "millrace topic needs one of: create, list, describe, delete"),
    (["bench", "ingest", "--server-pid", "PID"], '--server-pid: "PID" is no number'),
    (["produce", "t", "-H", "a=1", "-H", "b"], '"b" must be NAME=VALUE'),
    (["topic", "create", "t", "-c", "=1"], '"=1" must be NAME=VALUE'),
    (["sql", "SELECT 1", "--http", "http://127.0.0.1:8086"], "leave out http://"),
    (["serve", "--journal-max-bytes", "20GB", "--data", "d"], "of KiB, MiB or GiB, as 64MiB"),
], ids=" ".join)  # fmt: skip
def test_what_is_wrong_is_named(arguments, part):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert part in result.stderr and result.stderr.startswith("millrace: ")
