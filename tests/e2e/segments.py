"""Segment objects of a data directory, read by their format document alone: docs/formats/segment.md."""

import contextlib
import dataclasses
import pathlib
import struct
import uuid

from .server import wait_for
from .wire import crc32c

FOOTER = struct.Struct("<QQIIII16sH6xI4s")
ROW = struct.Struct("<16siIqqqqQQQIII12x")


@dataclasses.dataclass
class Part:
    topic: uuid.UUID
    partition: int
    first: int
    next: int
    data_position: int
    data_bytes: int
    index_position: int
    index_bytes: int


@dataclasses.dataclass
class Object:
    path: pathlib.Path
    bytes: int
    topics_position: int
    parts: list


def read(path):
    content = path.read_bytes()
    size, topics, topics_bytes, count, _, _, _, version, _, magic = FOOTER.unpack_from(content, len(content) - 64)
    assert (size, version, magic) == (len(content), 1, b"GESM"), path
    parts = []
    for i in range(count):
        row = ROW.unpack_from(content, topics + topics_bytes + i * ROW.size)
        parts.append(Part(uuid.UUID(bytes=row[0]), row[1], row[3], row[4], row[7], row[8], row[9], row[10]))
    return Object(path, size, topics, parts)


def copy_as(one, object_id, path):
    """The same records under another object id."""
    content = bytearray(one.path.read_bytes())
    content[24:40] = object_id.bytes
    content[60:64] = crc32c(bytes(content[:60])).to_bytes(4, "little")
    footer = len(content) - 64
    content[footer + 28 : footer + 32] = crc32c(bytes(content[:64])).to_bytes(4, "little")
    content[footer + 32 : footer + 48] = object_id.bytes
    content[footer + 56 : footer + 60] = crc32c(bytes(content[footer : footer + 56])).to_bytes(4, "little")
    path.write_bytes(content)


def objects(data):
    """By name: of one partition, in order of offset. One that is removed meanwhile is left out."""
    found = []
    for path in sorted((pathlib.Path(data) / "segments").rglob("*.seg")):
        with contextlib.suppress(FileNotFoundError):
            found.append(read(path))
    return found


def end(data, partition=0):
    """Behind the last offset in an object of that partition, of all topics."""
    return max((part.next for one in objects(data) for part in one.parts if part.partition == partition), default=0)


def wait_until_cut(server, offset, partition=0, seconds=20):
    wait_for(f"offsets below {offset} in objects", lambda: end(server.data, partition) >= offset, seconds)
