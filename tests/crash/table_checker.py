"""Judges tables against what was sent to them: rows from SQL or Parquet, and entries of their topics.

A request is there whole or not at all, over all its tables; one that was acknowledged is there, one
with a batch id at most once however often it was sent, any other at most as often as it was sent.
What a reader has seen once stays.
"""

import collections

from . import rows as made


class Ledger:
    """What was sent to tables that are there."""

    def __init__(self):
        self.requests = {}  # key → Request
        self.times = {}  # id → nanoseconds that the server chose
        self.seen = {}  # (table, key) → how often it was there
        self.offsets = {}  # (table, key) → where it stands in the log

    def add(self, requests):
        self.requests.update((request.key, request) for request in requests)

    def tables(self):
        """Table → its requests."""
        found = collections.defaultdict(list)
        for request in self.requests.values():
            for table in request.parts:
                found[table].append(request)
        return found

    def forget(self, table):
        """It was deleted: a row of it that shows up again is a foreigner."""
        for key in [key for key, request in self.requests.items() if table in request.parts]:
            request = self.requests[key]
            for row in request.parts.pop(table):
                self.times.pop(request.id_of(row), None)
            if not request.parts:
                del self.requests[key]
        for known in (self.seen, self.offsets):
            for place in [place for place in known if place[0] == table]:
                del known[place]


def identify(ledger, table, row_id):
    """Its request; None if no such row was sent to this table."""
    parsed = made.parse(row_id)
    request = ledger.requests.get(parsed[0]) if parsed else None
    is_sent = request and table in request.parts and parsed[1] in request.parts[table] and parsed[2] == request.shape
    return request if is_sent else None


def count_rows(ledger, table, found, verdict):
    """`found`: column → value each, the time as `at` in nanoseconds. How often each id is there; tells what was not sent so."""
    counts = collections.Counter()
    for row in found:
        row_id = row.get("id")
        if identify(ledger, table, row_id) is None:
            verdict.add("foreign", f"{table}: a row of id {row_id!r} was not sent here")
            continue
        counts[row_id] += 1
        expected = made.row_of(row_id)
        if "time" not in expected:
            expected["time"] = ledger.times.setdefault(row_id, int(row["at"]))
        actual = {name: value for name, value in row.items() if value is not None and name not in ("at", "time")}
        actual["time"] = int(row["at"])
        if actual != expected:
            wrong = {name: (actual.get(name), expected.get(name)) for name in actual | expected if actual.get(name) != expected.get(name)}
            verdict.add("damaged", f"{table}: {row_id}: is and should be: {str(wrong)[:300]}")
    return counts


def judge(ledger, counts, verdict):
    """`counts`: table → id → how often, for every table of the ledger."""
    for request in ledger.requests.values():
        per_row = {(table, row): counts[table][request.id_of(row)] for table, part in request.parts.items() for row in part}
        least, most = request.bounds()
        least = max([least, *(ledger.seen.get((table, request.key), 0) for table in request.parts)])
        fewest, greatest = min(per_row.values()), max(per_row.values())
        told = f"{request.key}, shape {request.shape}, batch id {request.batch_id}, acknowledged {request.acknowledged} times"
        if greatest > most:
            verdict.add("doubled", f"{told}: there {greatest} times, at most {most} times is right: {per_row}")
        elif fewest < least:
            verdict.add("lost", f"{told}: there {fewest} times, at least {least} times is right: {per_row}")
        elif fewest != greatest:
            verdict.add("cut", f"{told}: not all rows are there as often: {per_row}")
        elif greatest:
            ledger.seen.update(((table, request.key), greatest) for table in request.parts)
        verdict.counters["unknown_found"] += bool(greatest and not request.acknowledged)


def check_entries(ledger, table, log, counts, verdict):
    """`log`: a checker.Log whose records are (offset, value, headers). `counts`: id → how often in SQL."""
    offsets = [offset for offset, _, _ in log.records]
    if offsets != list(range(log.start, log.end)):
        verdict.add("gap", f"{table}: offsets {offsets[:3]}..{offsets[-3:]}, from {log.start} to {log.end} are due")
    last = {}
    entries = collections.defaultdict(list)
    for offset, value, headers in log.records:
        decoder = dict(headers or ()).get("millrace.decoder")
        if decoder not in (b"line/1", b"msgpack/1", b"msgpack/2"):
            verdict.add("damaged", f"{table} offset {offset}: an entry of decoder {decoder!r}")
            continue
        ids = made.ids_in(value, is_line=decoder == b"line/1")
        request = identify(ledger, table, ids[0])
        if request is None or ids != [request.id_of(row) for row in request.parts[table]]:
            verdict.add("foreign", f"{table} offset {offset}: {ids} was not sent so")
            continue
        if not request.is_late:
            if request.sequence < last.get(request.connection, -1):
                verdict.add("reordered", f"{table} offset {offset}: {request.key} after number {last[request.connection]}")
            last[request.connection] = request.sequence
        entries[request.key].append(offset)
    for key, there in entries.items():
        request = ledger.requests[key]
        in_sql = counts[request.id_of(request.parts[table][0])]
        if len(there) > in_sql or (log.start == 0 and len(there) != in_sql):
            verdict.add("unlike", f"{table}: {key} is {len(there)} times in the log and {in_sql} times in SQL")
        known = ledger.offsets.setdefault((table, key), set())
        if not known.issuperset(there) and len(known) >= in_sql:
            verdict.add("moved", f"{table}: {key} is at {there} and was at {sorted(known)}")
        known.update(there)
    if log.start == 0:
        rows = sum(len(ledger.requests[key].parts[table]) * len(there) for key, there in entries.items())
        if rows != counts.total():
            verdict.add("unlike", f"{table}: {rows} rows in the log, {counts.total()} in SQL")
