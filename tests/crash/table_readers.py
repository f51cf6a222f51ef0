"""Reads the tables of a load back while the server runs: by SQL, and from the log."""

import collections

from e2e.server import wait_for

from . import logs, table_checker
from .checker import Verdict
from .client import Client
from .load import Broken


def rows_of(client, table):
    """None: there is no such table, or nothing was ever written to it."""
    try:
        return client.query(f'SELECT *, epoch_ns(time) AS at FROM {table[0]}."{table[1]}"')
    except AssertionError as error:
        if "does not exist" in str(error):
            return None
        raise


def check_tables(load):
    """Raises Broken, or returns table → id → how often it is there."""
    verdict = Verdict()
    counts = collections.defaultdict(collections.Counter)
    present = {}
    tables = load.ledger.tables()
    with Client(load.server.http_port) as client:
        for table in tables:
            found = rows_of(client, table)
            if found is not None:
                present[".".join(table)] = 1
                counts[table] = table_checker.count_rows(load.ledger, table, found, verdict)
        risen = load.gone & client.tables().keys()
        if risen:
            raise Broken(f"deleted tables are there: {sorted(risen)}")
        table_checker.judge(load.ledger, counts, verdict)
        if verdict.violations:
            raise Broken("\n".join(verdict.violations))
        wait_for("rows in files and in memory that are those of SQL", lambda: _has_all(client, counts))
    read = logs.read(load.server, present, set(present), lambda m: (m.offset(), m.value(), m.headers()))
    for table in tables:
        log = read.get((".".join(table), 0))
        if log:
            table_checker.check_entries(load.ledger, table, log, counts[table], verdict)
            load.counters["entries_read"] += len(log.records)
    if verdict.violations:
        raise Broken("\n".join(verdict.violations))
    load.counters["rows_read"] += sum(found.total() for found in counts.values())
    load.counters["unknown_writes_found"] += verdict.counters["unknown_found"]
    return counts


def _has_all(client, counts):
    listed = client.tables()
    return all(
        listed[table]["hot_rows"] + listed[table]["file_rows"] == found.total()
        for table, found in counts.items()
        if table in listed or found
    )
