"""What an operator may do to a data directory between two starts: served right, or refused unchanged."""

import shutil
import time

import pytest

from . import journal, wire
from .fsck_copy import Copy
from .server import wait_for
from .web import Client
from .wire import Connection

SMALL = ("--journal-file-bytes", "1MiB", "--journal-max-bytes", "16MiB", "--journal-retention-check-ms", "100ms")


class Filled:
    """A server and the rows it acknowledged."""

    def __init__(self, server, pad=100_000):
        self.server = server
        self.pad = "x" * pad
        self.data = server.data
        self.rows = {}

    def write(self, count=1, table="t"):
        own = self.rows.setdefault(table, [])
        with Client(self.server) as client:
            for _ in range(count):
                n = len(own)
                client.write(table, {"n": [n], "v": [f"{table} {n}"], "pad": [self.pad], "time": [1_700_000_000 + n]})
                own.append((n, f"{table} {n}", len(self.pad)))
        return self

    def flush(self, table="t"):
        with Client(self.server) as client:
            assert client.flush(table)["hot_rows"] == 0
        return self

    def first_kept(self, table="t"):
        """Of the journal's offsets."""
        with Connection(self.server.port) as kafka:
            return kafka.list_offset(f"main.{table}", wire.EARLIEST)[2]

    def free(self, table="t", beyond=0):
        """Until the journal lost rows that are in files, and on the disk too."""

        def has_moved():
            self.write(5, table).flush(table)
            return self.first_kept(table) > beyond

        def is_done():
            try:
                kept = sum(path.stat().st_size for path in journal.files(self.data).values())
            except FileNotFoundError:  # just now
                return False
            return kept == client.metrics()["millrace_journal_bytes"]

        wait_for("rows to leave the journal", has_moved, 30)
        with Client(self.server) as client:
            wait_for("their files to be gone", is_done, 30)
        return self

    def found(self, table="t"):
        with Client(self.server) as client:
            return client.rows(f"SELECT n, v, length(pad) FROM {table} ORDER BY n")

    def check(self):
        assert {table: self.found(table) for table in self.rows} == self.rows

    def goes_on(self):
        """Starts, has every row, takes more, and has them after a kill."""
        self.server.start()
        self.check()
        self.write(3).check()
        self.server.kill()
        self.server.start()
        self.check()

    def refuses(self, *parts):
        before = journal.checksums(self.data)
        for _ in range(2):
            status, text = self.server.refused()
            assert status == 1, text
            assert [part for part in (*parts, "nothing was changed") if part not in text] == [], text
            assert journal.checksums(self.data) == before

    def parquet(self, table="t"):
        return sorted(path for path in (self.data / "tables").rglob("0*.parquet") if path.parent.name.startswith(f"{table}~"))


@pytest.fixture
def filled(new_server):
    """Three files' worth of rows in the journal, none in files."""
    return Filled(new_server(*SMALL).start()).write(25)


@pytest.fixture
def few(new_server):
    """Rows that stay within one journal file, which is not freed whatever was flushed."""
    return Filled(new_server(*SMALL).start(), pad=1000).write(25)


def end(server, how):
    if how == "kill":
        server.kill()
    else:
        assert server.terminate() == 0


END = pytest.mark.parametrize("how", ["kill", "terminate"])


def take_away(data, name, where):
    """The file or folder and what belongs to it."""
    where.mkdir(exist_ok=True)
    for path in data.glob(f"{name}*"):
        path.rename(where / path.name)


def put_back(data, name, where):
    for path in data.glob(f"{name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in where.iterdir():
        path.rename(data / path.name)


def copy_of(data, name, where):
    where.mkdir(exist_ok=True)
    for path in data.glob(f"{name}*"):
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, where / path.name)
    return where


# --- the catalog is gone or another one ------------------------------------------------------------


@END
@pytest.mark.parametrize("is_flushed", [False, True], ids=["hot", "file"])
def test_without_its_catalog_while_the_journal_holds_all(few, filled, tmp_path, how, is_flushed):
    given = few.flush() if is_flushed else filled
    assert given.first_kept() == 0
    end(given.server, how)
    take_away(given.data, "catalog.db", tmp_path / "away")
    given.goes_on()


@END
def test_without_its_catalog_after_rows_left_the_journal(filled, tmp_path, how):
    filled.free()
    end(filled.server, how)
    take_away(filled.data, "catalog.db", tmp_path / "away")
    filled.refuses("catalog.db is missing", "main.t (offsets 0 to ", "put catalog.db back")
    put_back(filled.data, "catalog.db", tmp_path / "away")
    filled.goes_on()


def test_an_older_catalog_while_the_journal_holds_the_rest(few, tmp_path):
    few.flush()
    assert few.server.terminate() == 0
    copy_of(few.data, "catalog.db", tmp_path / "old")
    few.server.start()
    few.write(5).flush()
    few.write(5)
    assert few.server.terminate() == 0
    put_back(few.data, "catalog.db", tmp_path / "old")
    few.goes_on()


@END
def test_an_older_catalog_after_rows_left_the_journal(filled, tmp_path, how):
    filled.free()
    kept = filled.first_kept()
    assert filled.server.terminate() == 0
    copy_of(filled.data, "catalog.db", tmp_path / "old")
    filled.server.start()
    filled.free(beyond=len(filled.rows["t"]))
    end(filled.server, how)
    take_away(filled.data, "catalog.db", tmp_path / "new")
    for path in (tmp_path / "old").iterdir():
        shutil.copy2(path, filled.data / path.name)
    filled.refuses("catalog older than journal", "main.t")
    put_back(filled.data, "catalog.db", tmp_path / "new")
    filled.goes_on()
    assert filled.first_kept() > kept


def test_without_its_wal_after_a_kill_while_the_journal_holds_all(few, tmp_path):
    few.flush()
    few.server.kill()
    assert (few.data / "catalog.db-wal").stat().st_size > 0
    take_away(few.data, "catalog.db-wal", tmp_path / "away")
    few.goes_on()


def test_without_its_wal_after_a_kill_and_after_rows_left_the_journal(filled, tmp_path):
    filled.free()
    filled.server.kill()
    assert (filled.data / "catalog.db-wal").stat().st_size > 0
    take_away(filled.data, "catalog.db-wal", tmp_path / "away")
    filled.refuses("catalog older than journal", "main.t")
    put_back(filled.data, "catalog.db-wal", tmp_path / "away")
    filled.goes_on()


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000], ids=["empty", "text", "damaged"])
def test_a_catalog_that_is_none(filled, content):
    assert filled.server.terminate() == 0
    catalog = filled.data / "catalog.db"
    good = catalog.read_bytes()
    catalog.write_bytes(content)
    before = journal.checksums(filled.data)
    status, text = filled.server.refused()
    assert (status, "catalog.db" in text) == (1, True), text
    assert journal.checksums(filled.data) == before
    catalog.write_bytes(good)
    filled.goes_on()


# --- the journal is another one --------------------------------------------------------------------


@END
def test_an_older_journal(filled, tmp_path, how):
    assert filled.server.terminate() == 0
    copy_of(filled.data, "journal", tmp_path / "old")
    filled.server.start()
    filled.write(30).flush()
    end(filled.server, how)
    take_away(filled.data, "journal", tmp_path / "new")
    shutil.copytree(tmp_path / "old/journal", filled.data / "journal")
    filled.refuses("journal older than catalog", "catalog.db", "journal file")
    put_back(filled.data, "journal", tmp_path / "new")
    filled.goes_on()


@END
def test_without_its_journal(filled, tmp_path, how):
    filled.flush()
    end(filled.server, how)
    take_away(filled.data, "journal", tmp_path / "away")
    before = journal.checksums(filled.data)
    status, text = filled.server.refused()
    assert (status, "journal" in text) == (1, True), text
    after = journal.checksums(filled.data)
    assert {name: after.get(name) for name in before} == before, "nothing that was there changed"
    put_back(filled.data, "journal", tmp_path / "away")
    filled.goes_on()


@pytest.mark.parametrize("name", ["journal", "catalog.db"])
def test_parts_of_two_directories_swapped(filled, new_server, tmp_path, name):
    other = Filled(new_server(*SMALL).start()).write(3).flush()
    filled.flush()
    for one in (filled, other):
        assert one.server.terminate() == 0
    ids = [journal.runs(one.data)[0].directory.hex() for one in (filled, other)]

    def swap():
        for one, place in ((filled, "a"), (other, "b")):
            take_away(one.data, name, tmp_path / place)
        for one, place in ((filled, "b"), (other, "a")):
            put_back(one.data, name, tmp_path / place)

    swap()
    for one in (filled, other):
        one.refuses("belongs to")
        status, text = one.server.refused()
        assert status == 1 and all(directory in text.replace("-", "") for directory in ids), text
    swap()
    for one in (filled, other):
        one.goes_on()


def test_a_whole_older_copy_is_a_good_directory(filled, tmp_path):
    """That it is older cannot be seen from within: rows of later are not there, all others are."""
    filled.flush()
    assert filled.server.terminate() == 0
    shutil.copytree(filled.data, tmp_path / "copy")
    older = {table: list(rows) for table, rows in filled.rows.items()}
    filled.server.start()
    filled.write(10).flush()
    assert filled.server.terminate() == 0
    shutil.rmtree(filled.data)
    shutil.copytree(tmp_path / "copy", filled.data)
    filled.rows = older
    filled.goes_on()


# --- files of tables -------------------------------------------------------------------------------

DAMAGE = {
    "deleted": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "emptied": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_parquet_file_damaged_while_stopped(few, tmp_path, damage):
    few.flush().write(5).flush().write(2)
    few.write(3, "other").flush("other")
    assert few.server.terminate() == 0
    victim = few.parquet()[0]
    shutil.copy2(victim, tmp_path / "good")
    damage(victim)
    few.server.start()
    assert few.found("other") == few.rows["other"]
    with Client(few.server) as client:
        answer = client.query("SELECT count(*) FROM t")
        assert answer.status == 500 and answer.json["error"]["code"] == "corrupt", answer.text
        assert [part for part in ("main.t", str(victim), "offsets 0 to 24") if part not in answer.error] == [], answer.error
        assert str(victim) in client.table("t")["damage"] and client.table("other")["damage"] is None
        assert client.rows("SELECT 1") == [(1,)]
    few.write(2, "other")
    with Connection(few.server.port) as kafka:
        assert len(kafka.fetch_all("main.t")) == len(few.rows["t"]), "the log still has them"
    few.server.terminate()
    shutil.copy2(tmp_path / "good", victim)
    few.goes_on()


def test_a_parquet_file_that_goes_away_while_running(filled, tmp_path):
    filled.flush()
    assert filled.found() == filled.rows["t"]
    victim = filled.parquet()[0]
    victim.rename(tmp_path / "away")
    with Client(filled.server) as client:
        answer = client.query("SELECT sum(n) FROM t")
        assert answer.status == 500 and answer.json["error"]["code"] == "corrupt", answer.text
        assert [part for part in ("main.t", str(victim), "offsets 0 to 24") if part not in answer.error] == [], answer.error
        assert client.table("t")["damage"] == answer.error
    filled.write(2)
    (tmp_path / "away").rename(victim)
    filled.server.restart()
    filled.check()


def test_foreign_files_under_tables_are_put_aside(filled):
    filled.flush()
    assert filled.server.terminate() == 0
    good = filled.parquet()[0]
    strangers = {
        good.parent / "foreign.parquet": b"PAR1", filled.data / "tables/stray.parquet": b"stray", good.parent / "notes.txt": b"mine",
        good.parent / good.name.replace(f"{25:020}", f"{10**15:020}"): good.read_bytes(),  # offsets that never were
        filled.data / "tables/main/u~00000000" / good.name: good.read_bytes(),  # of no table
    }  # fmt: skip
    for path, content in strangers.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    filled.server.start()
    filled.check()
    text = filled.server.process.text()
    for path, content in strangers.items():
        aside = filled.data / "quarantine" / path.relative_to(filled.data)
        assert not path.exists() and aside.read_bytes() == content, path
        assert path.name in text
    assert good.exists()
    assert filled.server.terminate() == 0
    filled.goes_on()


# --- damage in the journal -------------------------------------------------------------------------


def test_a_damaged_row_of_the_journal_is_an_error_of_its_table_alone(filled):
    filled.write(3, "other")
    assert filled.server.terminate() == 0
    oldest = journal.runs(filled.data, min(journal.files(filled.data)))
    victim = next(run for run in oldest if run.length > 50_000)
    at = victim.position + victim.length - 1000
    good = victim.path.read_bytes()
    journal.overwrite(victim.path, at, b"\xff")
    filled.server.start()
    assert filled.found("other") == filled.rows["other"]
    filled.write(2, "other")
    with Client(filled.server) as client:
        wait_for("the table to be found damaged", lambda: client.table("t")["damage"])
        answer = client.query("SELECT count(*) FROM t")
        assert answer.status == 500 and answer.json["error"]["code"] == "corrupt", answer.text
        assert "main.t cannot be rebuilt from offset 0 on" in answer.error
        begun = time.monotonic()
        for write in (client.post_columns("t", {"n": [1]}), client.lines("t n=1i")):
            assert write.status == 500 and "cannot be rebuilt" in write.error, write.text
        assert time.monotonic() - begun < 5, "what cannot come is not waited for"
        ready = client.get("/ready").json
        assert (ready["tables_being_rebuilt"], ready["tables_damaged"]) == (0, 1)
        assert client.metrics()["millrace_tables_damaged"] == 1
    assert filled.server.terminate() == 0
    journal.overwrite(victim.path, at, good[at : at + 1])
    filled.goes_on()


def test_a_file_that_was_being_made_when_its_table_was_deleted_is_a_leftover(new_server):
    server = new_server().start()
    with Client(server) as client, Connection(server.port) as connection:
        client.write("cpu", {"n": [1], "time": [1_700_000_000]})
        client.flush("cpu")
        (made,) = (server.data / "tables" / "main").glob("cpu~*/*.parquet")
        content = made.read_bytes()
        assert connection.delete_topic("main.cpu") == 0
    server.kill()
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_bytes(content)  # as if a flush had been at it
    code, findings, _ = Copy(server.data).fsck()
    assert code == 0 and {finding["problem"] for finding in findings if finding["file"] == str(made)} == {"dropped-table"}, findings
    server.start()
    assert "of a table that was deleted before the last end: removed" in server.process.text()
    assert not made.exists() and not (server.data / "quarantine").exists()
