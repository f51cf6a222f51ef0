"""Rows of HTTP writes: everything in one follows from its id, so that a cut or mixed one is noticed.

An id is CONNECTION.REQUEST.ROW.SHAPE. The shape says which columns the row has and how it was sent:
`m` MessagePack or `l` line protocol, `i` or `f` the type of n, `t` no time of its own, `u` whole
microseconds, `L` a large payload, `xK` a further column xK.
"""

import dataclasses
import hashlib
import random

import msgpack

NOISE = random.Random(2).randbytes(1 << 17).hex()  # text that hardly shrinks
MOST_TIMES_NS = 10**18
FIRST_TIME_NS = 1_700_000_000 * 10**9
BAD_LINE = "shared nothing-here"


@dataclasses.dataclass
class Request:
    """One HTTP write, and what is known of it. Rows are numbered through all its tables."""

    connection: str
    sequence: int  # of the connection
    shape: str
    parts: dict  # (database, measurement) → range of row numbers
    batch_id: str | None = None
    has_bad_line: bool = False
    acknowledged: int = 0  # answers that say: it is there
    unknown: int = 0  # sent, and no answer that says whether it is there
    is_late: bool = False  # sent again after later ones of its connection: it may stand behind them
    is_hurt: bool = False  # a table of it was deleted: sent again it would make that anew

    @property
    def key(self):
        return self.connection, self.sequence

    @property
    def is_line(self):
        return self.shape[0] == "l"

    def bounds(self):
        """How often it may be there, at least and at most."""
        if self.batch_id is None:
            return self.acknowledged, self.acknowledged + self.unknown
        return min(self.acknowledged, 1), min(self.acknowledged + self.unknown, 1)

    def id_of(self, row):
        return f"{self.connection}.{self.sequence}.{row}.{self.shape}"

    def message(self):
        """Path, headers and body, always the same."""
        database = next(iter(self.parts))[0]
        headers = {"x-millrace-batch-id": self.batch_id} if self.batch_id else {}
        if self.is_line:
            lines = [line_of(table[1], self.id_of(row)) for table, rows in self.parts.items() for row in rows]
            lines += [BAD_LINE] * self.has_bad_line
            precision = "&precision=us" if "u" in self.shape else ""
            return f"/write?db={database}{precision}", headers, "\n".join(lines).encode()
        (((_, measurement), rows),) = self.parts.items()
        made = [row_of(self.id_of(row)) for row in rows]
        columns = {name: [row[name] for row in made] for name in made[0]}
        if "time" in columns:
            columns["time"] = [time // 1000 for time in columns["time"]]
        body = msgpack.packb({"m": measurement, "columns": columns})
        return "/api/v1/write/msgpack", {**headers, "x-millrace-database": database}, body


def parse(row_id):
    """((connection, sequence), row, shape); None if it is no id."""
    try:
        connection, sequence, row, shape = row_id.split(".")
        return (connection, int(sequence)), int(row), shape
    except (ValueError, AttributeError):
        return None


def row_of(row_id):
    """Column → value, of those that are not null. `time` in nanoseconds; missing where the server sets it."""
    shape = row_id.rpartition(".")[2]
    digest = hashlib.sha256(row_id.encode()).digest()
    number = int.from_bytes(digest[:8])
    size = 2_000 + number % 30_000 if "L" in shape else number % 200
    at = int.from_bytes(digest[8:12]) % (len(NOISE) - 40_000)
    small = number % 1_000_000
    row = {"id": row_id, "payload": NOISE[at : at + size], "n": small + 0.5 if "f" in shape else small}
    if shape[0] == "l":
        row["host"] = f"h{number % 3}"
    if "x" in shape:
        row["x" + shape.partition("x")[2]] = small // 7
    if "t" not in shape:
        time = FIRST_TIME_NS + int.from_bytes(digest[12:20]) % MOST_TIMES_NS
        row["time"] = time // 1000 * 1000 if shape[0] == "m" or "u" in shape else time
    return row


def line_of(measurement, row_id):
    row = row_of(row_id)
    fields = [f'id="{row_id}"', f'payload="{row["payload"]}"', f"n={row['n']}" + ("" if "f" in row_id.rpartition(".")[2] else "i")]
    fields += [f"{name}={value}i" for name, value in row.items() if name[0] == "x"]
    time = row.get("time")
    if time is not None and "u" in row_id.rpartition(".")[2]:
        time //= 1000
    return f"{measurement},host={row['host']} {','.join(fields)}" + ("" if time is None else f" {time}")


def ids_in(payload, is_line):
    """Of an entry in the log: ids of its rows, in order."""
    if is_line:
        lines = payload.decode().splitlines()
        return [line.partition('id="')[2].partition('"')[0] for line in lines if line != BAD_LINE]
    return msgpack.unpackb(payload)["columns"]["id"]


class Maker:
    """Requests of one connection, at random."""

    def __init__(self, connection, rng, large):
        self.connection, self.rng, self.large = connection, rng, large
        self.sequence = 0

    def make(self, tables, generation, batch_share=0.5):
        """`tables`: of which one or, by line protocol, two of a database are written. `generation`: greatest K of xK."""
        rng = self.rng
        chosen = [rng.choice(tables)]
        is_line = rng.random() < 0.5
        others = [table for table in tables if table[0] == chosen[0][0] and table != chosen[0]]
        if is_line and others and rng.random() < 0.4:
            chosen.append(rng.choice(others))
        shape = "l" if is_line else "m"
        shape += "f" if rng.random() < 0.2 else "i"
        shape += "t" if rng.random() < 0.1 else ""
        shape += "u" if rng.random() < 0.5 else ""
        shape += "L" if rng.random() < self.large else ""
        shape += f"x{rng.randrange(generation + 1)}" if rng.random() < 0.3 else ""
        parts, first = {}, 0
        for table in chosen:
            count = rng.randrange(1, 4 if "L" in shape else 9)
            parts[table] = range(first, first + count)
            first += count
        batch_id = f"{self.connection}/{self.sequence}" if rng.random() < batch_share else None
        request = Request(self.connection, self.sequence, shape, parts, batch_id, is_line and rng.random() < 0.05)
        self.sequence += 1
        return request
