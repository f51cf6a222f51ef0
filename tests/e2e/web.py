"""A client of the HTTP half: http.client for what is well formed, raw sockets for what is not."""

import gzip
import http.client
import json
import re
import socket
import urllib.parse

import msgpack

WRITE = "/api/v1/write/msgpack"
QUERY = "/api/v1/query"
FLOATS = ("DOUBLE", "FLOAT")
WIDE = ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT")


class Refused(AssertionError):
    """An answer that is no success."""

    def __init__(self, answer):
        super().__init__(f"{answer.status}: {answer.text}")
        self.answer = answer


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # http.client.HTTPMessage: names in any case
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The message, in any of the three forms."""
        document = self.json
        if isinstance(document.get("error"), dict):
            return document["error"]["message"]
        return document.get("error", document.get("message"))

    @property
    def columns(self):
        return {column["name"]: column["type"] for column in self.json["columns"]}

    @property
    def rows(self):
        """Integers beyond 2^53 come as strings, whole floats without a point: as what they are."""
        document = json.loads(self.body, parse_int=lambda text: int(text) if text != "-0" else -0.0)
        kinds = {**dict.fromkeys(WIDE, int), **dict.fromkeys(FLOATS, float)}
        of = [kinds.get(column["type"], lambda value: value) for column in document["columns"]]
        return [tuple(None if value is None else kind(value) for value, kind in zip(row, of, strict=True)) for row in document["rows"]]


class Client:
    """One kept connection, opened again by http.client when the server closed it."""

    def __init__(self, server, timeout=30):
        self.connection = http.client.HTTPConnection(server.http_host, server.http_port, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def call(self, method, target, body=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self.connection.request(method, target, body, names)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: the answer is there
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def get(self, target):
        return self.call("GET", target)

    def post_columns(self, measurement, columns, **headers):
        """The answer, whatever it is."""
        return self.call("POST", WRITE, packed(measurement, columns), **headers)

    def write(self, measurement, columns, **headers):
        answer = self.post_columns(measurement, columns, **headers)
        if answer.status != 204 or answer.body:
            raise Refused(answer)

    def lines(self, text, target="/write", is_gzip=False, headers=None, **parameters):
        body = text.encode() if isinstance(text, str) else text
        headers = dict(headers or {})
        if is_gzip:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        if parameters:
            target += "?" + urllib.parse.urlencode(parameters)
        return self.call("POST", target, body, **headers)

    def query(self, sql):
        """The answer, whatever it is."""
        return self.call("POST", QUERY, json.dumps({"sql": sql}))

    def sql(self, sql):
        answer = self.query(sql)
        if answer.status != 200:
            raise Refused(answer)
        return answer

    def rows(self, sql):
        return self.sql(sql).rows

    def table(self, measurement, database="main"):
        """What the server says of a table; None when there is none."""
        answer = self.get(path_of(measurement, database))
        return answer.json if answer.status == 200 else None

    def flush(self, measurement, database="main"):
        answer = self.call("POST", path_of(measurement, database) + "/flush")
        if answer.status != 200:
            raise Refused(answer)
        return answer.json

    def metrics(self):
        """name or name{labels} → value."""
        return {
            name: float(value)
            for name, value in (line.rsplit(" ", 1) for line in self.get("/metrics").text.splitlines() if line[:1] != "#")
        }

    def flushes(self):
        return sum(value for name, value in self.metrics().items() if name.startswith("millrace_table_flushes_total"))


def packed(measurement, columns):
    return msgpack.packb({"m": measurement, "columns": columns})


def path_of(measurement, database="main"):
    return f"/api/v1/tables/{urllib.parse.quote(database, safe='')}/{urllib.parse.quote(measurement, safe='')}"


def quoted(name):
    """As an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Raw:
    """Bytes to and from the server, as they are."""

    def __init__(self, server, timeout=30):
        self.socket = socket.create_connection((server.http_host, server.http_port), timeout=timeout)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def _more(self):
        data = self.socket.recv(1 << 16)
        self.received += data
        return bool(data)

    def answer(self):
        """The next answer; None when the connection ends first."""
        while b"\r\n\r\n" not in self.received:
            if not self._more():
                return None
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) ?.*", lines[0])[1])
        headers = http.client.HTTPMessage()
        for line in lines[1:]:
            headers[line.split(":", 1)[0]] = line.split(":", 1)[1].strip()
        length = int(headers.get("Content-Length", 0))
        while len(self.received) < length:
            if not self._more():
                raise AssertionError(f"the connection ended within an answer: {self.received!r}")
        body, self.received = self.received[:length], self.received[length:]
        return Answer(status, headers, body)

    def is_closed(self):
        """Nothing more comes; waits for it."""
        try:
            return not self.received and not self.socket.recv(1)
        except ConnectionResetError:
            return True


def request(body=b"", target=QUERY, method="POST", **headers):
    """The bytes of a request. A Content-Length goes along unless one is given."""
    fields = {"Host": "x", "Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v is not None), "", ""]
    return "\r\n".join(lines).encode() + body


def sql_request(sql, **headers):
    return request(json.dumps({"sql": sql}).encode(), **headers)
