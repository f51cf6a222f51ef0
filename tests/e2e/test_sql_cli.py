"""SQL, tables and the ingest benchmark of the command line, against a real server."""

import http.client
import http.server
import itertools
import json
import os
import pty
import struct
import subprocess
import termios
import threading
from fcntl import ioctl

import pytest

from .server import binary, environment, run

LINES = "cpu,host=東京 usage=1.5,n=12345i 1000\ncpu,host=b usage=22.25,n=7i 2000\n"


def post(server, path, body):
    connection = http.client.HTTPConnection(server.http_address, timeout=20)
    connection.request("POST", path, body.encode())
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status in (200, 204), text


@pytest.fixture(scope="module")
def filled(new_shared_server):
    """A server with a table main.cpu, and one whose names need care."""
    server = new_shared_server().start()
    post(server, "/write", LINES)
    post(server, "/write?db=my%20db", "cpu.load/1 v=1 1000\n")
    return server


@pytest.fixture
def cli(filled):
    """cli("sql", "SELECT 1"): the CompletedProcess, which must have ended well; cli.run: any."""

    def call(*arguments, **options):
        result = call.run(*arguments, **options)
        assert result.returncode == 0, result.stderr
        return result

    call.run = lambda *arguments, **options: run(
        *arguments, **options, MILLRACE_HTTP=filled.http_address, MILLRACE_KAFKA=filled.address
    )
    return call


def on_a_terminal(columns, *arguments, **settings):
    """Standard output of a verb whose terminal is so wide."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    chunks = []

    def read():
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                return
            if not chunk:
                return
            chunks.append(chunk)

    with subprocess.Popen(
        [binary(), *arguments], stdin=subprocess.DEVNULL, stdout=follower, stderr=subprocess.PIPE,
        env=environment(**settings),
    ) as child:  # fmt: skip
        os.close(follower)
        reader = threading.Thread(target=read)
        reader.start()
        told = child.stderr.read().decode()
        assert child.wait(30) == 0, told
    reader.join(30)
    os.close(leader)
    return b"".join(chunks).decode().replace("\r\n", "\n")


# --- sql -------------------------------------------------------------------------------------------


def test_sql_prints_a_table(cli):
    result = cli("sql", "SELECT host, usage, n, NULL AS nothing FROM cpu ORDER BY time")
    assert result.stdout == (
        "host | usage |     n | nothing\n"
        "-----+-------+-------+--------\n"
        "東京 |   1.5 | 12345 |    NULL\n"
        "b    | 22.25 |     7 |    NULL\n"
    )
    assert result.stderr.startswith("(2 rows, ") and result.stderr.endswith(" ms)\n")
    assert cli("sql", "SELECT 1").stderr.startswith("(1 row, ")
    assert cli("sql", "SELECT 1 AS x WHERE false").stdout == "x\n-\n"


def test_sql_reads_a_statement_from_standard_input(cli):
    assert cli("sql", "-", stdin="SELECT count(*) AS n\nFROM cpu;\n").stdout.splitlines()[-1] == "2"
    result = cli.run("sql", "-", stdin="\n")
    assert (result.returncode, result.stdout, "no SQL statement" in result.stderr) == (2, "", True)


def test_sql_json_is_what_the_server_says(cli):
    result = cli("sql", "SELECT n FROM cpu ORDER BY n", "--json")
    assert json.loads(result.stdout) == {"columns": [{"name": "n", "type": "BIGINT"}], "rows": [[7], [12345]]}
    assert result.stderr == ""


@pytest.mark.parametrize("statement, part", [
    ("SELEC 1", "syntax error"), ("SELECT * FROM nobody_made_this", "nobody_made_this"), ("DROP TABLE cpu", "only SELECT"),
])  # fmt: skip
def test_bad_sql_is_status_1_in_the_words_of_the_engine(cli, statement, part):
    result = cli.run("sql", statement)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("millrace: ") and part in result.stderr
    assert "millrace serve" not in result.stderr  # the server is there


def test_a_terminal_gets_lines_that_fit_and_a_pipe_gets_all(cli, filled):
    statement = "SELECT repeat('x', 300) AS long, 1234567 AS n, '京' AS wide"
    assert "x" * 300 in cli("sql", statement).stdout
    for columns in (40, 79):
        lines = on_a_terminal(columns, "sql", statement, MILLRACE_HTTP=filled.http_address).splitlines()
        cells = [cell.strip() for cell in lines[2].split("|")]
        assert cells == ["x" * (len(cells[0]) - 1) + "…", "1234567", "京"]
        assert len(lines[1]) == columns  # the ruler: as wide as the terminal, not wider


def test_control_characters_in_values_do_not_steer_the_terminal(cli):
    out = cli("sql", "SELECT chr(27) || '[2J' AS x, 'a' || chr(10) || 'b' AS y").stdout
    assert out == "x       | y\n--------+--\n\\x1b[2J | a\n        | b\n"


# --- table -----------------------------------------------------------------------------------------


def test_tables_are_listed_described_and_flushed(cli):
    listed = cli("table", "list").stdout.splitlines()
    assert listed[0].split()[:2] == ["DATABASE", "MEASUREMENT"]
    assert any(line.split()[:2] == ["main", "cpu"] for line in listed)
    names = {(t["database"], t["measurement"]) for t in json.loads(cli("table", "list", "--json").stdout)["tables"]}
    assert {("main", "cpu"), ("my db", "cpu.load/1")} <= names
    described = cli("table", "describe", "cpu").stdout
    assert described == cli("table", "describe", "main.cpu").stdout == cli("table", "describe", "main", "cpu").stdout
    assert ["host", "string", "tag"] in [line.split() for line in described.splitlines()]
    assert json.loads(cli("table", "describe", "my db", "cpu.load/1", "--json").stdout)["measurement"] == "cpu.load/1"
    assert cli("table", "flush", "cpu").stdout.startswith("flushed 2 rows of main.cpu: it has 2 rows in 1 file (")
    assert cli("table", "flush", "cpu").stdout.startswith("nothing to flush of main.cpu: it has 2 rows in 1 file (")
    flushed = json.loads(cli("table", "flush", "my db", "cpu.load/1", "--json").stdout)
    assert (flushed["file_rows"], flushed["files"], flushed["hot_rows"]) == (1, 1, 0)
    assert json.loads(cli("table", "describe", "cpu", "--json").stdout)["file_rows"] == 2


def test_names_are_whole_on_a_narrow_terminal(filled):
    listed = on_a_terminal(40, "table", "list", MILLRACE_HTTP=filled.http_address)
    assert "my db" in listed and "cpu.load/1" in listed and "MEASUREMENT" in listed and "…" not in listed


def test_all_tables_are_flushed_at_once(new_server):
    server = new_server().start()
    settings = {"MILLRACE_HTTP": server.http_address}
    assert run("table", "flush", "--all", **settings).stdout == "no tables\n"
    assert json.loads(run("table", "flush", "--all", "--json", **settings).stdout) == {"tables": []}
    post(server, "/write", "a v=1 1000\nb v=1 1000\nb v=2 2000\n")
    told = run("table", "flush", "--all", **settings).stdout.splitlines()
    assert sorted(line.split(":")[0] for line in told) == ["flushed 1 row of main.a", "flushed 2 rows of main.b"]
    tables = json.loads(run("table", "flush", "--all", "--json", **settings).stdout)["tables"]
    assert [(t["measurement"], t["hot_rows"], t["file_rows"]) for t in tables] == [("a", 0, 1), ("b", 0, 2)]
    both = run("table", "flush", "a", "--all", **settings)
    assert (both.returncode, "one table or --all" in both.stderr) == (2, True)


def test_bytes_are_shown_as_text_where_they_are_some(cli):
    statement = "SELECT encode('aé') AS t, '\\xFF\\x00z'::BLOB AS b, NULL::BLOB AS n"
    assert cli("sql", statement).stdout.splitlines()[2].split(" | ") == ["aé", "\\xff\\x00z", "NULL"]
    assert json.loads(cli("sql", statement, "--json").stdout)["rows"] == [["YcOp", "/wB6", None]]


def test_no_tables_says_what_makes_one(new_server):
    server = new_server().start()
    assert "no tables" in run("table", "list", "--http", server.http_address).stdout
    assert json.loads(run("table", "list", "--json", "--http", server.http_address).stdout) == {"tables": []}


@pytest.mark.parametrize("verb", ["describe", "flush"])
def test_a_table_that_is_not_there_is_status_1(cli, verb):
    result = cli.run("table", verb, "nobody-made-this")
    assert (result.returncode, result.stdout) == (1, "")
    assert "main.nobody-made-this" in result.stderr


@pytest.mark.parametrize("arguments", [
    ["sql"], ["table"], ["table", "describe"], ["table", "describe", "a.b.c"], ["table", "describe", "a", "b", "c"],
    ["table", "flush", ""], ["sql", "SELECT 1", "--http", "nowhere"], ["bench", "ingest", "--rows", "0"],
    ["bench", "ingest", "--format", "xml"], ["bench", "ingest", "--database", ""], ["bench", "ingest", "surplus"],
], ids=" ".join)  # fmt: skip
def test_wrong_usage_is_status_2(cli, arguments):
    result = cli.run(*arguments)
    assert (result.returncode, result.stdout, bool(result.stderr)) == (2, "", True)


@pytest.mark.parametrize("verb", [
    ["sql", "SELECT 1"], ["table", "list"], ["table", "describe", "t"], ["table", "flush", "t"], ["bench", "ingest"],
], ids=" ".join)  # fmt: skip
def test_no_server_is_status_3_and_says_what_to_do(verb):
    result = run(*verb, "--http", "127.0.0.1:1")
    assert (result.returncode, result.stdout) == (3, "")
    assert "127.0.0.1:1" in result.stderr and "millrace serve" in result.stderr


# --- bench -----------------------------------------------------------------------------------------


def bench(cli, *arguments):
    return json.loads(cli("bench", "ingest", "--json", "-c", 4, "-w", 0.2, *arguments, timeout=90).stdout)


@pytest.mark.parametrize("form", ["msgpack", "line"])
def test_bench_ingest_lands_what_was_acknowledged(cli, filled, form):
    report = bench(cli, "-s", 2, "-b", 200, "-m", 3, "-f", form, "--server-pid", filled.pid)
    assert report["is_exact"] and report["errors"] == 0
    assert report["total_rows_landed"] == report["total_rows_acknowledged"] >= report["rows"] > 0
    assert report["rows_landed_per_second"] == report["rows_per_second"] > 0
    assert 0 < report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"] <= report["p999_ms"] <= report["max_ms"]
    assert report["server_rss_before_mb"] > 1 and report["server_rss_mb"] > 1
    assert report["server_cpu_seconds"] > 0 and report["client_cpu_seconds"] > 0
    tables = json.loads(cli("table", "list", "--json").stdout)["tables"]
    assert {t["measurement"] for t in tables if t["database"] == report["database"]} == {"m0", "m1", "m2"}


def test_bench_ingest_counts_its_own_rows_in_a_database_that_has_some(cli):
    first = bench(cli, "-s", 0.3, "-b", 50, "-d", "twice", "-f", "line")
    second = bench(cli, "-s", 0.3, "-b", 50, "-d", "twice", "-f", "line")
    assert first["is_exact"] and second["is_exact"]
    (row,) = json.loads(cli("sql", "SELECT count(*) FROM twice.m0", "--json").stdout)["rows"]
    assert row == [first["total_rows_landed"] + second["total_rows_landed"]]


def test_bench_ingest_keeps_to_its_rate(cli):
    report = bench(cli, "-s", 1, "-b", 10, "-r", 1000)
    assert report["is_exact"]
    assert report["total_rows_acknowledged"] + report["rows_unsent"] == 1210  # the first request, warm-up and window


def test_bench_ingest_prints_figures_for_people(cli):
    out = cli("bench", "ingest", "-s", 0.3, "-w", 0, "-c", 2, "-b", 10).stdout
    assert [line.split()[0] for line in out.splitlines()] == [
        "ingest", "rate", "latency", "run", "trouble", "client", "memory", "tables",
    ]  # fmt: skip


def test_bench_reports_the_memory_before_and_after_the_load(cli, filled):
    produced = json.loads(cli("bench", "produce", "-n", 100, "--json").stdout)
    consumed = json.loads(cli("bench", "consume", "--server-pid", filled.pid, "--json").stdout)
    for report in (produced, consumed):
        assert report["server_rss_before_mb"] > 1 and report["server_rss_mb"] > 1
    silent = run("bench", "produce", "-n", 100, "--json", "--http", "127.0.0.1:1", MILLRACE_KAFKA=filled.address)
    report = json.loads(silent.stdout)
    assert (silent.returncode, report["server_rss_before_mb"], report["server_rss_mb"]) == (0, None, None)


class Impostor:
    """Answers as a server would: writes by `answers` in turn, SQL by what it took, less `lost` rows."""

    def __init__(self, answers, lost=0, retry_after_s=0):
        self.counts = {status: 0 for status in answers}
        turns = itertools.cycle(answers)
        lock = threading.Lock()
        state = {"rows": 0, "usage": 0.0}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.answer(200, "millrace_topics 0\n" if self.path == "/metrics" else "{}")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if self.path == "/api/v1/query":
                    row = [state["rows"] - lost, state["usage"], 0]
                    return self.answer(200, json.dumps({"columns": [], "rows": [row]}))
                with lock:
                    status = next(turns)
                    owner.counts[status] += 1
                    if status == 204:
                        lines = body.splitlines()
                        state["rows"] += len(lines)
                        state["usage"] += sum(float(line.split("usage=")[1].split(",")[0]) for line in lines)
                if status is None:
                    self.close_connection = True  # without an answer
                    return None
                return self.answer(status, "" if status == 204 else json.dumps({"error": "no such luck"}))

            def answer(self, status, text):
                self.send_response(status)
                if status == 503:
                    self.send_header("Retry-After", str(retry_after_s))
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def bench(self):
        address = "127.0.0.1:%d" % self.server.server_address[1]
        return run("bench", "ingest", "-s", 0.5, "-w", 0, "-c", 1, "-b", 3, "-f", "line", "--json", "--http", address)


def test_bench_ingest_sends_again_what_was_put_off_and_counts_it():
    with Impostor([204, 503]) as impostor:
        result = impostor.bench()
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stderr
    assert report["retries"] == impostor.counts[503] > 0
    assert report["total_rows_acknowledged"] == 3 * impostor.counts[204] > 0
    assert report["is_exact"] and report["errors"] == 0 and report["total_rows_unknown"] == 0


def test_bench_ingest_begins_when_a_server_that_still_flushes_takes_rows():
    with Impostor([503] * 3 + [204] * 1_000_000, retry_after_s=1) as impostor:
        result = impostor.bench()  # for half a second, and it is put off for 3 s
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stderr
    assert report["retries"] == 3 and report["rows_per_second"] > 0
    assert report["total_rows_acknowledged"] == 3 * impostor.counts[204]


def test_bench_ingest_sends_nothing_more_when_it_is_put_off_beyond_the_end():
    with Impostor([204, 503], retry_after_s=1) as impostor:
        result = impostor.bench()
    assert result.returncode == 0, result.stderr
    assert impostor.counts == {204: 1, 503: 1}


def test_bench_ingest_counts_requests_without_an_answer_as_unknown():
    with Impostor([204, 204, None, 204]) as impostor:
        result = impostor.bench()
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stderr
    assert report["errors"] == impostor.counts[None] > 0
    assert report["total_rows_unknown"] == 3 * impostor.counts[None]


def test_bench_ingest_fails_when_an_acknowledged_row_is_missing():
    with Impostor([204], lost=1) as impostor:
        result = impostor.bench()
    report = json.loads(result.stdout)
    assert (result.returncode, report["is_exact"]) == (1, False)
    assert report["total_rows_landed"] == report["total_rows_acknowledged"] - 1
    assert "rows acknowledged" in result.stderr and "landed" in result.stderr


@pytest.mark.parametrize("answers, part", [([400], "no such luck"), ([204, 500], "no such luck"), ([None], "answer")])
def test_bench_ingest_ends_when_writes_are_refused_or_never_answered(answers, part):
    with Impostor(answers) as impostor:
        result = impostor.bench()
    assert result.returncode in (1, 3) and result.stdout == ""
    assert part in result.stderr
