"""One HTTP connection to a server under load, and what its answers mean."""

import http.client
import json
import re

TIMEOUT_S = 60
SAMPLE = re.compile(r"^(\w+)(?:\{.*\})? (\S+)$", re.MULTILINE)
LOST = (OSError, http.client.HTTPException)  # what a request may raise: no answer came

ACKNOWLEDGED, REFUSED, UNKNOWN = "acknowledged", "refused", "unknown"
REFUSING = {"overloaded", "read_only", "cancelled", "timeout"}  # codes that promise: nothing was written


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def ask(self, method, path, body=None, headers=None):
        """Status and body."""
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        return response.status, response.read()

    def get(self, path):
        status, body = self.ask("GET", path)
        assert status == 200, f"{path}: {status} {body[:300]!r}"
        return body

    def query(self, sql):
        """Rows as column → value; an AssertionError unless it succeeds."""
        status, body = self.ask("POST", "/api/v1/query", json.dumps({"sql": sql}))
        assert status == 200, f"{sql}: {status} {body[:500].decode(errors='replace')}"
        answer = json.loads(body)
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def tables(self):
        """(database, measurement) → what is said of it."""
        listed = json.loads(self.get("/api/v1/tables"))["tables"]
        return {(table["database"], table["measurement"]): table for table in listed}

    def flush(self, table):
        """Everything into files. False: there is no such table."""
        status, body = self.ask("POST", f"/api/v1/tables/{table[0]}/{table[1]}/flush")
        assert status in (200, 404), f"flush of {table}: {status} {body[:300]!r}"
        return status == 200

    def metrics(self):
        """Name → sum over all labels."""
        sums = {}
        for name, value in SAMPLE.findall(self.get("/metrics").decode()):
            sums[name] = sums.get(name, 0) + float(value)
        return sums

    def write(self, request):
        """Sends it once: (outcome, what was answered)."""
        path, headers, body = request.message()
        try:
            status, answer = self.ask("POST", path, body, headers)
        except LOST as error:
            return UNKNOWN, f"{type(error).__name__}: {error}"
        return outcome_of(status, answer, request), f"{status} {answer[:300].decode(errors='replace')}"


def outcome_of(status, answer, request):
    """None: an answer that no good request gets."""
    is_partial = status == 400 and b"partial write" in answer and answer.endswith(b'dropped=1"}')
    if (is_partial and request.has_bad_line) or (status == 204 and not request.has_bad_line):
        return ACKNOWLEDGED
    if status not in (503, 504):
        return None
    code = None if request.is_line else json.loads(answer)["error"]["code"]  # Influx's form has no code
    return REFUSED if code in REFUSING else UNKNOWN
