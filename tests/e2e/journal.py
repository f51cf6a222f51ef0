"""Looks into the files of a journal, and damages them, as docs/formats/journal.md describes them."""

import dataclasses
import hashlib
import pathlib
import struct

from .wire import crc32c

BLOCK = 4096
HEADER = struct.Struct("<IHH16sQQQQIIIIIQI")
MAGIC = 0x4E55524D
FRAME = struct.Struct("<IB3x16siIqqII")


@dataclasses.dataclass
class Run:
    path: pathlib.Path
    position: int
    version: int
    directory: bytes
    file: int
    run: int
    durable_upto: int
    length: int
    frames: int
    header_crc: int

    @property
    def end(self):
        return self.position + (self.length + BLOCK - 1) // BLOCK * BLOCK


@dataclasses.dataclass
class Frame:
    is_batch: bool
    topic: bytes
    partition: int
    first: int
    next: int
    position: int  # of its payload
    bytes: int


def frames(run):
    """Of a run whose frame headers are whole."""
    content = run.path.read_bytes()[run.position : run.end]
    found, position = [], run.position + HEADER.size + run.frames * FRAME.size
    for i in range(run.frames):
        size, kind, topic, partition, records, base, *_ = FRAME.unpack_from(content, HEADER.size + i * FRAME.size)
        found.append(Frame(kind == 1, topic, partition, base, base + records, position, size))
        position += size
    return found


def files(data):
    """number → path, in order."""
    found = (pathlib.Path(data) / "journal").glob("*.log")
    return dict(sorted((int(path.stem), path) for path in found if path.stem.isdigit()))


def runs(data, number=None):
    """The valid run headers of one file, or of all, in order."""
    found = []
    for file, path in files(data).items():
        if number not in (None, file):
            continue
        content = path.read_bytes()
        for position in range(0, len(content), BLOCK):
            raw = content[position : position + HEADER.size]
            if len(raw) < HEADER.size or raw[:4] != b"MRUN":
                continue
            _, version, _, directory, own, at, run, durable, length, frames, _, _, _, _, crc = HEADER.unpack(raw)
            if own == file and at == position and crc == crc32c(raw[:-4]):
                found.append(Run(path, position, version, directory, own, run, durable, length, frames, crc))
    return found


def overwrite(path, position, data):
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def rewrite_header(run, **fields):
    """Changes fields of a run header and makes its CRC fit again."""
    names = "magic version size directory file position run durable_upto length frames frames_crc previous_crc flags zero crc"
    with run.path.open("r+b") as file:
        file.seek(run.position)
        values = dict(zip(names.split(), HEADER.unpack(file.read(HEADER.size)), strict=True))
        overwrite(run.path, run.position, pack_header(**{**values, **fields}))


def pack_header(*, crc=None, **values):
    raw = HEADER.pack(*values.values(), 0)[:-4]
    return raw + struct.pack("<I", crc32c(raw))


def torn_run(last, length):
    """A header that would follow the run `last`, of a run whose payload never came to the disk."""
    return pack_header(
        magic=MAGIC, version=last.version, size=HEADER.size, directory=last.directory, file=last.file,
        position=last.end, run=last.run + 1, durable_upto=last.durable_upto, length=length, frames=1,
        frames_crc=0x12345678, previous_crc=last.header_crc, flags=0, zero=0,
    )  # fmt: skip


def checksums(data):
    """What is on the disk, without the lock file, which holds the pid of whoever tried last."""
    root = pathlib.Path(data)
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
