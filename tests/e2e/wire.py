"""Kafka's wire protocol by hand, so that tests can send what no client would.

Requests here use versions without compact fields; what a client sends in the newest versions is the
business of the tests with real clients.
"""

import dataclasses
import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
FIND_COORDINATOR, API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS = 10, 18, 19, 20, 21

NONE, OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION = 0, 1, 2, 3
MESSAGE_TOO_LARGE, INVALID_TOPIC, INVALID_REQUIRED_ACKS = 10, 17, 21
UNSUPPORTED_VERSION, TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS = 35, 36, 37
INVALID_REPLICATION_FACTOR, INVALID_CONFIG, INVALID_REQUEST = 38, 40, 42
UNSUPPORTED_FOR_MESSAGE_FORMAT, KAFKA_STORAGE_ERROR, INVALID_RECORD = 43, 56, 87
COORDINATOR_NOT_AVAILABLE = 15

EARLIEST, LATEST = -2, -1
TIMEOUT_S = 10


def _crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value):
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while True:
        zigzag, low = zigzag >> 7, zigzag & 0x7F
        out.append(low | (0x80 if zigzag else 0))
        if not zigzag:
            return bytes(out)


def text(value):
    if value is None:
        return struct.pack(">h", -1)
    return struct.pack(">h", len(value.encode())) + value.encode()


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def record(offset_delta=0, key=b"k", value=b"v", headers=(), timestamp_delta=0):
    def field(data):
        return varint(-1) if data is None else varint(len(data)) + data

    body = b"\0" + varint(timestamp_delta) + varint(offset_delta) + field(key) + field(value)
    body += varint(len(headers)) + b"".join(field(name) + field(data) for name, data in headers)
    return varint(len(body)) + body


@dataclasses.dataclass
class Batch:
    """A record batch whose every field may lie; what is None is made as it should be."""

    records: list = dataclasses.field(default_factory=lambda: [record()])
    body: bytes | None = None  # instead of the records
    base_offset: int = 0
    length: int | None = None
    magic: int = 2
    crc: int | None = None
    attributes: int = 0
    last_offset_delta: int | None = None
    timestamp: int = dataclasses.field(default_factory=lambda: time.time_ns() // 1_000_000)
    max_timestamp: int | None = None
    producer: tuple = (-1, -1, -1)  # id, epoch, first sequence
    count: int | None = None

    def pack(self):
        count = len(self.records) if self.count is None else self.count
        last = len(self.records) - 1 if self.last_offset_delta is None else self.last_offset_delta
        max_timestamp = self.timestamp if self.max_timestamp is None else self.max_timestamp
        covered = struct.pack(">hiqqqhii", self.attributes, last, self.timestamp, max_timestamp, *self.producer, count)
        covered += b"".join(self.records) if self.body is None else self.body
        crc = crc32c(covered) if self.crc is None else self.crc
        rest = struct.pack(">ibI", -1, self.magic, crc) + covered
        return struct.pack(">qi", self.base_offset, len(rest) if self.length is None else self.length) + rest


def batch_of(*values, **fields):
    return Batch(records=[record(i, value=value) for i, value in enumerate(values)], **fields).pack()


def header(api, version, correlation=1, client="test"):
    return struct.pack(">hhi", api, version, correlation) + text(client)


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def produce_body(topic, partition, records, acks=-1, timeout_ms=10_000):
    """Of versions 3 to 8."""
    data = struct.pack(">i", -1) if records is None else struct.pack(">i", len(records)) + records
    one = text(topic) + array([struct.pack(">i", partition) + data])
    return text(None) + struct.pack(">hi", acks, timeout_ms) + array([one])


class Closed(ConnectionError):
    """The server has closed the connection."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def get(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values

    def bytes(self, length):
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self):
        length = self.get("h")
        return None if length < 0 else self.bytes(length).decode()

    def array(self, read):
        return [read() for _ in range(self.get("i"))]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.get("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value >> 1 ^ -(value & 1)

    def end(self):
        assert self.at == len(self.data), f"{len(self.data) - self.at} bytes too many in the response"


@dataclasses.dataclass
class Produced:
    error: int
    base_offset: int
    log_append_time: int
    log_start: int
    message: str | None = None


@dataclasses.dataclass
class Fetched:
    error: int
    high_watermark: int
    log_start: int
    records: bytes

    def batches(self):
        """(base offset, attributes, record count, whole bytes) of each; a cut one ends the list."""
        at = 0
        while at + 61 <= len(self.records):
            base, length = struct.unpack_from(">qi", self.records, at)
            if at + 12 + length > len(self.records):
                break
            whole = self.records[at : at + 12 + length]
            attributes, _, _, _, _, _, _, count = struct.unpack_from(">hiqqqhii", whole, 21)
            yield base, attributes, count, whole
            at += 12 + length

    def end(self):
        """The offset behind the last batch, which may have no records."""
        return max((base + struct.unpack_from(">i", whole, 23)[0] + 1 for base, _, _, whole in self.batches()), default=-1)

    def values(self):
        """(offset, value) of each record; of batches that are not compressed."""
        for base, attributes, count, whole in self.batches():
            assert attributes & 7 == 0
            reader = Reader(whole)
            reader.at = 61
            for _ in range(count):
                reader.varint()
                reader.get("b")
                reader.varint()
                delta = reader.varint()
                key = reader.varint()
                reader.bytes(max(key, 0))
                size = reader.varint()
                yield base + delta, None if size < 0 else reader.bytes(size)
                for _ in range(reader.varint()):
                    reader.bytes(reader.varint())
                    reader.bytes(max(reader.varint(), 0))


class Connection:
    def __init__(self, port, host="127.0.0.1", timeout=TIMEOUT_S, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Closed(str(error)) from None

    def send(self, api, version, body=b""):
        self.correlation += 1
        self.send_raw(frame(header(api, version, self.correlation) + body))
        return self.correlation

    def _exactly(self, length):
        parts = []
        while length:
            try:
                part = self.socket.recv(min(length, 1 << 20))
            except ConnectionResetError as error:
                raise Closed(str(error)) from None
            except TimeoutError:
                raise AssertionError(f"no answer within {self.socket.gettimeout()} s") from None
            if not part:
                raise Closed("the server has closed the connection")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def receive_length(self):
        """Of the next response, whose rest is still to come."""
        (length,) = struct.unpack(">i", self._exactly(4))
        return length

    def receive(self, correlation=None):
        """The body of the next response."""
        response = self._exactly(self.receive_length())
        (answers,) = struct.unpack_from(">i", response)
        assert correlation is None or answers == correlation
        return Reader(response[4:])

    def call(self, api, version, body=b""):
        return self.receive(self.send(api, version, body))

    def is_closed(self):
        """Waits until the server closes; whatever it sends before counts as an answer."""
        try:
            data = self._exactly(1)
        except Closed:
            return True
        raise AssertionError(f"an answer that begins with {data!r} instead of a close")

    def api_versions(self, version=0):
        reader = self.call(API_VERSIONS, version)
        error = reader.get("h")
        ranges = {key: (low, high) for key, low, high in reader.array(lambda: reader.get("hhh"))}
        return error, ranges

    def create_topic(self, name, partitions=1, configs=None, replication=1, validate_only=False):
        """Error code and message."""
        entries = [text(k) + text(v) for k, v in (configs or {}).items()]
        one = text(name) + struct.pack(">ih", partitions, replication) + array([]) + array(entries)
        body = array([one]) + struct.pack(">i?", 10_000, validate_only)
        reader = self.call(CREATE_TOPICS, 4, body)
        reader.get("i")
        ((_, error, message),) = reader.array(lambda: (reader.text(), reader.get("h"), reader.text()))
        reader.end()
        return error, message

    def delete_topic(self, name):
        reader = self.call(DELETE_TOPICS, 3, array([text(name)]) + struct.pack(">i", 10_000))
        reader.get("i")
        ((_, error),) = reader.array(lambda: (reader.text(), reader.get("h")))
        reader.end()
        return error

    def topics(self, *names, create=False):
        """name → (error, number of partitions); all topics without names."""
        asked = array([text(name) for name in names]) if names else struct.pack(">i", -1)
        reader = self.call(METADATA, 4, asked + struct.pack(">?", create))
        reader.get("i")
        reader.array(lambda: (reader.get("i"), reader.text(), reader.get("i"), reader.text()))
        reader.text()
        reader.get("i")

        def partition():
            reader.get("hii")
            reader.array(lambda: reader.get("i"))
            reader.array(lambda: reader.get("i"))

        def topic():
            error, name, _ = reader.get("h"), reader.text(), reader.get("b")
            return name, (error, len(reader.array(partition)))

        found = dict(reader.array(topic))
        reader.end()
        return found

    def send_produce(self, topic, records, partition=0, acks=-1, version=7):
        return self.send(PRODUCE, version, produce_body(topic, partition, records, acks))

    def receive_produced(self, correlation=None, version=7):
        reader = self.receive(correlation)

        def partition():
            _, error, base, append_time = reader.get("ihqq")
            start = reader.get("q") if version >= 5 else -1
            message = None
            if version >= 8:
                reader.array(lambda: (reader.get("i"), reader.text()))
                message = reader.text()
            return Produced(error, base, append_time, start, message)

        ((_, (answer,)),) = reader.array(lambda: (reader.text(), reader.array(partition)))
        reader.get("i")
        reader.end()
        return answer

    def produce(self, topic, records, partition=0, acks=-1, version=7):
        return self.receive_produced(self.send_produce(topic, records, partition, acks, version), version)

    def send_fetch(self, topic, offset, partition=0, wait_ms=0, min_bytes=1, max_bytes=1 << 26, partition_bytes=1 << 26):
        one = text(topic) + array([struct.pack(">iqi", partition, offset, partition_bytes)])
        return self.send(FETCH, 4, struct.pack(">iiiib", -1, wait_ms, min_bytes, max_bytes, 0) + array([one]))

    def receive_fetched(self, correlation=None):
        reader = self.receive(correlation)
        reader.get("i")

        def partition():
            _, error, high, _ = reader.get("ihqq")
            reader.array(lambda: reader.get("qq"))
            return Fetched(error, high, -1, reader.bytes(max(reader.get("i"), 0)))

        ((_, (answer,)),) = reader.array(lambda: (reader.text(), reader.array(partition)))
        reader.end()
        return answer

    def fetch(self, topic, offset, **options):
        return self.receive_fetched(self.send_fetch(topic, offset, **options))

    def fetch_all(self, topic, offset=0, partition=0, seconds=TIMEOUT_S):
        """(offset, value) of all records up to the end as it is now."""
        end = self.list_offset(topic, LATEST, partition)[2]
        deadline = time.monotonic() + seconds
        found = []
        while offset < end:
            assert time.monotonic() < deadline, f"{topic}: only to offset {offset} of {end} within {seconds} s"
            part = self.fetch(topic, offset, partition=partition)
            assert part.error == NONE, f"{topic}: error {part.error} at offset {offset}"
            found += [(o, v) for o, v in part.values() if o >= offset]
            assert part.end() > offset, f"{topic}: nothing at offset {offset}, the end is {end}"
            offset = part.end()
        return found

    def fetch_kept(self, topic, partition=0):
        """The first offset, and fetch_all() from there; again where retention took what was being read."""
        while True:
            start = self.list_offset(topic, EARLIEST, partition)[2]
            try:
                return start, self.fetch_all(topic, start, partition)
            except AssertionError:
                if self.list_offset(topic, EARLIEST, partition)[2] == start:
                    raise

    def list_offset(self, topic, timestamp, partition=0):
        """(error, timestamp, offset)"""
        one = text(topic) + array([struct.pack(">iq", partition, timestamp)])
        reader = self.call(LIST_OFFSETS, 1, struct.pack(">i", -1) + array([one]))
        ((_, (answer,)),) = reader.array(lambda: (reader.text(), reader.array(lambda: reader.get("ihqq"))))
        reader.end()
        return answer[1:]

    def find_coordinator(self, group):
        """(error, message)"""
        reader = self.call(FIND_COORDINATOR, 1, text(group) + b"\0")
        _, error = reader.get("ih")
        return error, reader.text()
