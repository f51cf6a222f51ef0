#!/usr/bin/env python3
"""Writes the seeds of fuzz_journal: the example of docs/formats/journal.md and small valid frames."""

import pathlib
import re
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "tests/fuzz/corpus/journal"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def example_blocks():
    text = (ROOT / "docs/formats/journal.md").read_text()
    return [bytes.fromhex(block) for block in re.findall(r"```\n([0-9a-f \n]+)```", text)]


def system_frame(kind, key, value, removal=0):
    return struct.pack("<HBBI", kind, removal, 0, len(key)) + key + value


def behind_lengths(*frames):
    return b"".join(struct.pack("<H", len(frame)) + frame for frame in frames)


def stored_index(entries):
    topic = bytes(range(16))
    spans = topic + struct.pack("<iqqqQI", 3, 0, 100, 1_700_000_000_000, 5000, entries)
    for i in range(entries):
        spans += struct.pack("<qQq", i * 10, i * 4096, 1_700_000_000_000)
    rest = struct.pack("<IQQQQII", 1, 1, 1, 9, 40960, 77, 1) + spans
    return struct.pack("<II", 0x5844494D, crc32c(rest)) + rest


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    checkpoint, batch = example_blocks()
    topic = bytes(range(16))
    partition = system_frame(1, topic + struct.pack("<i", 3), struct.pack("<qq", 9, 4))
    batch_id = system_frame(2, topic, topic + struct.pack("<iqIq", 3, 9, 5, 1_700_000_000_000))
    seeds = {
        "run_checkpoint": b"\0" + checkpoint.ljust(4096, b"\0"),
        "run_batch": b"\0" + batch.ljust(4096, b"\0"),
        "frame_header": b"\1" + batch[88:144],
        "system_partition": b"\2" + behind_lengths(partition),
        "system_batch_id": b"\2" + behind_lengths(batch_id, batch_id),
        "system_topic": b"\2" + behind_lengths(system_frame(3, topic, b"value"), system_frame(4, topic, b"schema")),
        "system_removal": b"\2"
        + behind_lengths(partition, batch_id, system_frame(4, topic, b"schema"), system_frame(4, topic, b"", 1), system_frame(3, topic, b"", 1)),
        "system_bad_partition": b"\2" + behind_lengths(system_frame(1, topic, struct.pack("<qq", 4, 9))),
        "system_bad_batch_id": b"\2" + behind_lengths(system_frame(2, topic[:9], b"x")),
        "system_unknown": b"\2" + behind_lengths(system_frame(9, topic, b"x")),
        "name": b"\4" + b"00000000000000000017.log",
        "name_zero": b"\4" + b"00000000000000000000.log",
        "name_other": b"\4" + b"spare.log",
        "index_one": b"\3" + stored_index(1),
        "index_many": b"\3" + stored_index(5),
    }
    for name, content in seeds.items():
        (OUT / name).write_bytes(content)


if __name__ == "__main__":
    main()
