"""What the documents tell people to type works as it stands."""

import os
import re
import subprocess
import sys

from .server import ROOT, binary, environment, run
from .web import Client


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / path).read_text(), re.M | re.S)


def test_python_of_the_http_reference(server):
    (program,) = blocks("docs/http.md", "python")
    assert "127.0.0.1:8086" in program
    program = program.replace("127.0.0.1:8086", server.http_address)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    with Client(server) as client:
        assert client.rows("SELECT epoch(time), host, load FROM cpu") == [(1_700_000_000, "a", 0.5)]


def test_parquet_files_are_read_as_the_operations_guide_says(server):
    (program,) = blocks("docs/operations.md", "python")
    assert "data/tables" in program
    with Client(server) as client:
        for lines in ["cpu load=1i 1", "cpu load=0.5 2\ncpu load=2,user=7 3", "cpu,host=a load=3i 4"]:  # widened, added to
            assert client.lines(lines).status == 204
            client.flush("cpu")
        expected = client.rows("SELECT count(*), sum(load) FROM cpu")
    done = subprocess.run(
        [sys.executable, "-c", program.replace("data/tables", f"{server.data}/tables")],
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.stdout == f"{expected}\n" == "[(4, 6.5)]\n"


def test_settings_file_of_the_operations_guide(new_server, tmp_path):
    (text,) = blocks("docs/operations.md", "toml")
    file = tmp_path / "millrace.toml"
    file.write_text(text.replace("/var/lib/millrace", str(tmp_path / "elsewhere")))
    server = new_server("--config", file, data=tmp_path / "data").start()
    assert server.ready_line.endswith(f"data {tmp_path / 'data'}"), "a flag beats the file"
    file.write_text(text.replace("max_bytes", "max_bites"))
    refused = run("serve", "--data", tmp_path / "data", "--config", file)
    assert refused.returncode == 2 and "journal.max_bites" in refused.stderr


def test_commands_of_the_readme(server):
    path = f"{binary().parent}{os.pathsep}{os.environ['PATH']}"
    clients = environment(PATH=path, MILLRACE_KAFKA=server.address, MILLRACE_HTTP=server.http_address)
    (block,) = (block for block in blocks("README.md", "") if "curl" in block)
    steps = re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, re.M)
    assert len(steps) == 4
    for command, expected in steps:
        command = command.replace("http://127.0.0.1:8086", f"http://{server.http_address}").replace("build/release/bin/", "")
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True, env=clients
        )
        shown, told = (re.sub(r"\d+ ms|\d+\.\d\d s", "TIME", text) for text in (done.stdout + done.stderr, expected))
        assert sorted(shown.splitlines()) == sorted(told.splitlines()), command
