"""millrace bench append: what it prints, what it leaves behind, and what it says when it cannot."""

import json
import os
import signal
import subprocess

import pytest

from .server import binary, environment, run, wait_for

QUICK = ["bench", "append", "--quick", "--method", "page_cache", "--method", "write", "--policy", "group"]


def rows_of(result):
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return [line for line in lines if "method" in line], [line for line in lines if "purpose" in line]


def test_rows_have_every_figure_and_the_choice_comes_last(tmp_path):
    rows, advice = rows_of(run(*QUICK, "--json", "--dir", tmp_path, timeout=90))
    assert {row["method"] for row in rows} == {"page_cache", "write"}
    assert {row["threads"] for row in rows} == {1, 8, 64}
    for row in rows:
        assert row["policy"] == "group" and row["runs"] == 1 and row["record_bytes"] == 1024
        rate = row["megabytes_per_second"]
        assert row["least_megabytes_per_second"] <= rate <= row["most_megabytes_per_second"]
        assert row["seconds"] == pytest.approx(row["records"] / row["records_per_second"], rel=0.001)
        assert row["records_per_second"] == pytest.approx(rate * 1024, rel=0.001)
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["p999_us"] <= row["max_us"]
        assert 0 < row["system_calls"] <= 2 * row["records"] and row["cpu_seconds_per_gb"] > 0
    alone = {row["method"]: row for row in rows if row["threads"] == 1}
    assert all(row["system_calls"] == 2 * row["records"] for row in alone.values())  # a write and a sync each
    crowd = {row["method"]: row for row in rows if row["threads"] == 64}
    assert crowd["page_cache"]["system_calls"] < crowd["page_cache"]["records"]  # they share syncs
    assert [line["purpose"] for line in advice] == ["low latency"]
    assert advice[0]["choice"].startswith("page_cache, buffers of 64 KiB")
    assert list(tmp_path.iterdir()) == []


def test_the_table_names_its_columns_and_the_choice(tmp_path):
    result = run(*QUICK, "--dir", tmp_path, timeout=90)
    assert result.returncode == 0, result.stderr
    assert "1 KiB, durable: group, one appender, 1 run\n" in result.stdout
    heading = next(line for line in result.stdout.splitlines() if line.startswith("method"))
    assert heading.split() == (
        "method buffer file threads s MB/s range records/s ns/record p50 us p99 p99.9 max syscalls CPU-s/GB buffers".split()
    )
    assert "\nfor low latency  page_cache" in result.stdout


@pytest.mark.parametrize("arguments, status, told", [
    (["--method", "uring"], 2, '"uring" is no method; there are write, buffered, page_aligned, mapped'),
    (["--policy", "always"], 2, '"always" is no policy; there are none, end, each, group, every-N'),
    (["--buffer", "lots"], 2, "lots"),
    (["--buffer", "12KiB"], 2, "no case has all that was asked for; --all has more of them"),
    (["--all", "--buffer", "12KiB"], 2, "no case has all that was asked for\n"),
    (["--quick", "--dir", "/proc"], 1, "/proc"),
    (["--quick", "--dir", "/no/such/folder"], 1, "/no/such/folder"),
])  # fmt: skip
def test_what_cannot_be_is_an_error_that_says_why(arguments, status, told):
    result = run("bench", "append", *arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert result.stderr.startswith("millrace: ") and told in result.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB, where that can be had."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", path], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_a_disk_without_room_is_told_before_anything_is_written(small_disk):
    result = run("bench", "append", "--quick", "--dir", small_disk)
    assert result.returncode == 1
    assert f"{small_disk} has " in result.stderr and "choose another with --dir" in result.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_prints_what_is_there_and_removes_its_files(tmp_path, sent):
    arguments = ["bench", "append", "--method", "write", "--policy", "each", "--policy", "none", "--json", "--dir", tmp_path]
    child = subprocess.Popen(
        [binary(), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    first = child.stdout.readline()
    assert json.loads(first)["method"] == "write"
    wait_for("files of a run", lambda: any(os.listdir(tmp_path / one) for one in os.listdir(tmp_path)))
    child.send_signal(sent)
    rest, told = child.communicate(timeout=30)
    assert (child.returncode, json.loads(told)["error"]["message"]) == (130, "interrupted")
    assert all(json.loads(line) for line in rest.splitlines())
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_ends_it_without_an_error_and_its_files_are_removed(tmp_path):
    arguments = [*QUICK, "--json", "--dir", tmp_path]
    child = subprocess.Popen(
        [binary(), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert json.loads(child.stdout.readline())["threads"] == 1
    child.stdout.close()  # as `| head -1` does
    told = child.stderr.read()
    child.stderr.close()
    assert (child.wait(timeout=60), told) == (0, "")
    assert list(tmp_path.iterdir()) == []
