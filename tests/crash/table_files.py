"""Reads catalog and Parquet files as anybody could, without the server, which must not run."""

import collections
import contextlib
import pathlib
import shutil
import sqlite3
import tempfile

import duckdb

from . import table_checker
from .checker import Verdict
from .load import Broken

SCHEMA_FILE = "schema-"  # made for queries, without rows, and named by nobody


class Catalog:
    """What catalog.db says, read from a copy: opening it would copy its WAL into it."""

    def __init__(self, data):
        self.data = pathlib.Path(data)
        with tempfile.TemporaryDirectory(prefix="millrace-catalog-") as directory:
            for name in ("catalog.db", "catalog.db-wal"):
                if (self.data / name).exists():
                    shutil.copyfile(self.data / name, pathlib.Path(directory) / name)
            try:
                with contextlib.closing(sqlite3.connect(pathlib.Path(directory) / "catalog.db")) as database:
                    self._read(database)
            except sqlite3.DatabaseError as error:
                raise Broken(f"catalog.db: {error}") from None

    def _read(self, database):
        health = database.execute("PRAGMA quick_check").fetchall()
        if health != [("ok",)]:
            raise Broken(f"catalog.db: {health[:5]}")
        self.runs = dict(database.execute("SELECT owner, run FROM places"))
        self.topics = dict(database.execute("SELECT name, id FROM topics WHERE is_deleted = 0"))
        of_objects = database.execute("SELECT topic_id, partition, max(next) FROM segment_parts GROUP BY 1, 2")
        self.object_ends = {(topic, partition): end for topic, partition, end in of_objects}
        self.tables = collections.defaultdict(list)  # (database, measurement) → topic ids
        for topic, *name in database.execute("SELECT topic_id, database, measurement FROM tables"):
            self.tables[tuple(name)].append(topic)
        self.offsets = dict(database.execute("SELECT topic_id, next FROM table_offsets"))
        self.files = collections.defaultdict(list)  # topic id → (path, first, next, rows, bytes)
        for topic, *file in database.execute("SELECT topic_id, path, first, next, rows, bytes FROM table_files ORDER BY first, path"):
            self.files[topic].append(tuple(file))

    def check_names(self):
        """Files that are there, and those that it names, are the same."""
        named = {path for files in self.files.values() for path, *_ in files}
        root = self.data / "tables"
        there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.name.startswith(SCHEMA_FILE)}
        if named != there:
            raise Broken(f"files that catalog.db does not name: {sorted(there - named)}; that are missing: {sorted(named - there)}")
        return len(there)


def check_files(load, catalog):
    """All rows of the load are in files, each exactly as often as it was in SQL."""
    verdict = Verdict()
    wrong = load.gone & catalog.tables.keys()
    if wrong:
        raise Broken(f"catalog.db has deleted tables: {sorted(wrong)}")
    for table in load.ledger.tables():
        expected = load.in_sql.get(table, collections.Counter())
        topics = catalog.tables.get(table, [])
        if len(topics) > 1 or (expected and not topics):
            raise Broken(f"catalog.db: {table} is there {len(topics)} times, with {expected.total()} rows")
        counts = collections.Counter()
        for topic in topics:
            _check_ranges(table, catalog.files[topic], catalog.offsets.get(topic, 0))
            counts = table_checker.count_rows(load.ledger, table, _rows(catalog, table, catalog.files[topic]), verdict)
        if counts != expected:
            verdict.add("unlike", f"{table}: in files and not in SQL: {list((counts - expected).items())[:5]}, "
                                  f"in SQL and not in files: {list((expected - counts).items())[:5]}")  # fmt: skip
        load.counters["rows_read_from_files"] += counts.total()
    if verdict.violations:
        raise Broken("\n".join(verdict.violations))


def _check_ranges(table, files, end):
    reached = 0
    for first, following in sorted({(first, following) for _, first, following, _, _ in files}):
        if first != reached:
            raise Broken(f"{table}: files go on at {first}, {reached} is due")
        reached = following
    if reached != end:
        raise Broken(f"{table}: files end at {reached}, the table offset is {end}")


def _rows(catalog, table, files):
    root = catalog.data / "tables"
    for path, _, _, _, size in files:
        if (root / path).stat().st_size != size:
            raise Broken(f"{table}: {path} has {(root / path).stat().st_size} bytes, {size} are right")
    if not files:
        return []
    sql = "SELECT * EXCLUDE (time), epoch_ns(time) AS at FROM read_parquet(?, union_by_name = true, filename = true)"
    try:
        with duckdb.connect() as database:
            result = database.execute(sql, [[str(root / path) for path, *_ in files]])
            names = [column[0] for column in result.description]
            found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    except duckdb.Error as error:
        raise Broken(f"{table}: {error}") from None
    per_file = collections.Counter(row.pop("filename") for row in found)
    for path, _, _, rows, _ in files:
        if per_file[str(root / path)] != rows:
            raise Broken(f"{table}: {path} has {per_file[str(root / path)]} rows, {rows} are right")
    return found
