"""A proxy before the S3 server that fails as a busy one does: every `each`-th request, in turns of FAULTS."""

import contextlib
import http.client
import http.server
import itertools
import socket
import threading

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>Please come back later.</Message></Error>'
FAULTS = ((503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError"), "cut", "reset")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "FlakyS3"

    def body(self):
        """As it came, in chunks or not."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        raw = b""
        while True:
            line = self.rfile.readline()
            size = int(line.split(b";")[0], 16)
            raw += line + self.rfile.read(size + 2)
            if size == 0:
                return raw

    def handle_any(self):
        body = self.body()
        fault = self.server.next_fault()
        if fault == "reset":
            self.close_connection = True
        elif isinstance(fault, tuple):
            self.answer(fault[0], {"Content-Type": "application/xml"}, ERROR.format(fault[1]).encode())
        else:
            self.forward(body, is_cut=fault == "cut")

    def forward(self, body, is_cut):
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=30)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # as they were signed
                if name.lower() != "expect":  # that was answered here
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            response = upstream.getresponse()
            content = response.read()
            self.answer(response.status, dict(response.getheaders()), content, is_cut)
        finally:
            upstream.close()

    def answer(self, status, headers, content, is_cut=False):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if is_cut else content)
        if is_cut:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        pass


class FlakyS3(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, s3, each):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = s3.ports["s3", "port"]
        self.each, self.requests, self.failed = each, itertools.count(1), 0
        self.faults = itertools.cycle(FAULTS)
        self.lock = threading.Lock()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self):
        with self.lock:
            if next(self.requests) % self.each != 0:
                return None
            self.failed += 1
            return next(self.faults)

    def handle_error(self, *_):
        """Of a client that went away."""

    def shutdown_request(self, request):
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
        self.close_request(request)


@contextlib.contextmanager
def flaky(s3, each=3):
    proxy = FlakyS3(s3, each)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
