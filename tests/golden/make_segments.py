#!/usr/bin/env python3
"""Writes the golden segment objects, by the format document alone: docs/formats/segment.md.

usage: tests/golden/make_segments.py

Nothing here comes from the C++ code that reads them. `plain-1.seg` has two topics and three
partitions, one with its index compressed; `transactional-1.seg` has what no writer of ours makes
yet: producers, control batches, an aborted and an open transaction. Files of a released version
stay as they are: a new version gets new files.
"""

import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from e2e.wire import Batch, crc32c, record  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent / "segment"
DIRECTORY = bytes(range(0x10, 0x20))
CREATED_MS = 1_700_000_000_000
COMMIT, ABORT = 1, 0


class Partition:
    def __init__(self, topic, number, first):
        self.topic, self.number, self.first, self.next = topic, number, first, first
        self.data = b""
        self.batches = b""
        self.count = 0
        self.newest = -1
        self.aborted, self.producers, self.open = [], [], []
        self.packed = None  # what compresses the index

    def add(self, batch, records=None, offsets=None):
        offsets = len(batch.records) if offsets is None else offsets
        records = len(batch.records) if records is None else records
        raw = batch.pack()
        newest = batch.timestamp if batch.max_timestamp is None else batch.max_timestamp
        producer, epoch, sequence = batch.producer
        self.batches += struct.pack("<qIIqIHhqiI", self.next, offsets, len(raw), newest, crc32c(raw), batch.attributes,
                                    epoch, producer, sequence, records)  # fmt: skip
        self.data += raw
        self.count += 1
        self.next += offsets
        self.newest = max(self.newest, newest)
        return self

    def control(self, producer, epoch, kind, timestamp):
        """KIP-98: the key is version 0 and the kind, the value version 0 and the coordinator's epoch."""
        marker = record(key=struct.pack(">hh", 0, kind), value=struct.pack(">hi", 0, 7))
        return self.add(Batch(records=[marker], attributes=0x30, timestamp=timestamp, producer=(producer, epoch, -1)))

    def index(self):
        out = struct.pack("<IIII", self.count, len(self.aborted), len(self.producers), len(self.open)) + self.batches
        for transaction in self.aborted:
            out += struct.pack("<qqq", *transaction)
        for producer, epoch, batches in self.producers:
            out += struct.pack("<qhH", producer, epoch, len(batches))
            for batch in batches:
                out += struct.pack("<qiiq", *batch)
        for transaction in self.open:
            out += struct.pack("<qq", *transaction)
        return out

    def stable(self):
        return min([self.next, *(first for _, first in self.open)])


def text(raw):
    return struct.pack("<I", len(raw)) + raw


def stored_zstd(raw):
    """One zstd frame (RFC 8878) of raw blocks is larger; of one RLE block for the rest it need not be: all
    bytes of the index but its end are raw, the end, which is one byte repeated, is RLE."""
    end = raw[-1:]
    body = raw.rstrip(end)
    tail = len(raw) - len(body)
    block = lambda last, kind, size: struct.pack("<I", last | kind << 1 | size << 3)[:3]  # noqa: E731
    head = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(raw))  # single segment, 4 bytes of content size
    return head + block(0, 0, len(body)) + body + block(1, 1, tail) + end


def build(object_id, topics, partitions):
    header = struct.pack("<IHH16s16sq12x", 0x4745534D, 1, 64, DIRECTORY, object_id, CREATED_MS)
    header += struct.pack("<I", crc32c(header))
    out = header
    rows = []
    for partition in partitions:
        rows.append([len(out)])
        out += partition.data
    for partition, row in zip(partitions, rows, strict=True):
        plain = partition.index()
        stored = stored_zstd(plain) if partition.packed else plain
        assert len(stored) <= len(plain)
        row += [len(out), stored, len(plain)]
        out += stored
    topics_at = len(out)
    tail = b"".join(topic + text(frame) + text(schema) for topic, frame, schema in topics)
    topics_bytes = len(tail)
    for partition, (data_at, index_at, stored, plain) in zip(partitions, rows, strict=True):
        tail += struct.pack("<16siIqqqqQQQIII12x", partition.topic, partition.number, partition.count, partition.first,
                            partition.next, partition.stable(), partition.newest, data_at, len(partition.data), index_at,
                            len(stored), plain, crc32c(stored))  # fmt: skip
    out += tail
    footer = struct.pack("<QQIIII16sH6x", len(out) + 64, topics_at, topics_bytes, len(partitions), crc32c(tail),
                         crc32c(header), object_id, 1)  # fmt: skip
    return out + footer + struct.pack("<II", crc32c(footer), 0x4D534547)


def batch(*values, **fields):
    return Batch(records=[record(i, value=value) for i, value in enumerate(values)], **fields)


def plain():
    first, second = bytes(range(16)), bytes(range(1, 17))
    a = Partition(first, 0, 0).add(batch(b"one", b"two", timestamp=1000)).add(batch(b"three", timestamp=3000))
    b = Partition(first, 3, 41).add(batch(b"x" * 300, timestamp=2000))
    c = Partition(second, 0, 5)
    filler = Batch(records=[], timestamp=-1, last_offset_delta=(1 << 20) - 1)
    c.add(batch(b"kept", timestamp=4000)).add(filler, records=0, offsets=1 << 20)
    c.producers = [(5, 0, [(0, 0, 0, 0)] * 5)]  # ends in zeros, which compress
    c.packed = True
    return build(b"O" * 16, [(first, b"topic one", b""), (second, b"topic two", b"its schema")], [a, b, c])


def transactional():
    topic = bytes(range(0x40, 0x50))
    p = Partition(topic, 1, 100)
    p.add(batch(b"a0", b"a1", timestamp=10, attributes=0x10, producer=(7, 2, 0)))  # 100, 101: aborted
    p.add(batch(b"c0", timestamp=11, attributes=0x10, producer=(8, 0, 40)))  # 102: committed
    p.control(7, 2, ABORT, 12)  # 103
    p.control(8, 0, COMMIT, 13)  # 104
    p.add(batch(b"i0", b"i1", b"i2", timestamp=14, producer=(9, 1, 2**31 - 2)))  # 105-107: its sequence wraps
    p.add(batch(b"o0", timestamp=15, attributes=0x10, producer=(7, 2, 2)))  # 108: open
    p.aborted = [(7, 100, 103)]
    p.producers = [(7, 2, [(100, 0, 1, 10), (108, 2, 2, 15)]), (8, 0, [(102, 40, 40, 11)]), (9, 1, [(105, 2**31 - 2, 0, 14)])]
    p.open = [(7, 108)]
    return build(b"T" * 16, [(topic, b"payments", b"")], [p])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "plain-1.seg").write_bytes(plain())
    (FOLDER / "transactional-1.seg").write_bytes(transactional())
