"""What the command line says of what it could not do, or cannot know."""

import json
import subprocess

import pytest

from .server import binary, environment
from .test_cli import cli  # noqa: F401 - a fixture


def test_with_acks_0_nothing_is_called_durable(cli):  # noqa: F811
    cli("topic", "create", "cli-sent", "-p", 1, "-c", "max.message.bytes=100")
    assert cli("produce", "cli-sent", "--acks", 0, stdin="x" * 500 + "\n").startswith("1 record sent to cli-sent, unanswered")
    assert json.loads(cli("produce", "cli-sent", "--acks", 0, "--json", stdin="x\n"))["delivered"] is None


@pytest.mark.parametrize("verb", [("version",), ("topic", "list"), ("consume", "cli-full"), ("sql", "SELECT 1"), ("version", "--json")])
def test_what_cannot_be_printed_is_an_error(cli, shared, verb):  # noqa: F811
    if verb[0] == "consume":
        cli("topic", "create", "cli-full", "-p", 1)
        cli("produce", "cli-full", stdin="a line\n" * 5000)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [binary(), *verb], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
            env=environment(MILLRACE_KAFKA=shared.address, MILLRACE_HTTP=shared.http_address),
        )  # fmt: skip
    assert done.returncode == 1 and b"standard output" in done.stderr and b"is not all of it" in done.stderr, done
