"""A server of its own for each test: started on port 0, awaited by its ready line, ended by its pid."""

import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY = re.compile(r"^millrace (\S+) ready in (\d+) ms: kafka (\S+):(\d+), http (\S+):(\d+), data (.+)$")
SANITIZER = re.compile(r"WARNING: ThreadSanitizer|ERROR: \w+Sanitizer|: runtime error: ")
START_S = 20
STOP_S = 20


def binary():
    return pathlib.Path(os.environ.get("MILLRACE_BIN", ROOT / "build/dev/bin/millrace"))


def environment(**settings):
    """The caller's environment without settings of ours: MILLRACE_BIN is none, and would be refused."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return {**clean, **settings}


def run(*arguments, timeout=30, stdin=None, **settings):
    """A verb that ends by itself: subprocess.CompletedProcess with text."""
    return subprocess.run(
        [binary(), *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
        timeout=timeout,
        env=environment(**settings),
    )


def wait_for(what, condition, seconds=10):
    """Polls until `condition()` is true and returns its value; says what it waited for otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.005)


class NotReady(AssertionError):
    """The server ended, or was silent too long."""


class Process:
    """`millrace serve` while it runs. Its standard error is collected as it comes."""

    def __init__(self, arguments, settings, preexec=None, cwd=None):
        self.popen = subprocess.Popen(
            [binary(), "serve", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(**settings),
            preexec_fn=preexec,
            cwd=cwd,
        )
        self.out = []
        self.log = []
        self._lines = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.popen.stdout, self.out, True), daemon=True),
            threading.Thread(target=self._read, args=(self.popen.stderr, self.log, False), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines, is_out):
        for raw in stream:
            lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
            if is_out:
                self._lines.put(lines[-1])
        if is_out:
            self._lines.put(None)

    def await_ready(self, seconds=START_S):
        """Its line, milliseconds, then host and port of Kafka and of HTTP."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise NotReady(f"no ready line within {seconds} s; its log:\n{self.text()}") from None
        if line is None:
            status = self.wait()
            raise NotReady(f"ended with status {status} before it was ready; its log:\n{self.text()}")
        if line.startswith("{"):
            ready = json.loads(line)
            return line, ready["ms"], *ready["kafka"].rsplit(":", 1), *ready["http"].rsplit(":", 1)
        match = READY.match(line)
        assert match, f"not a ready line: {line!r}"
        return line, match[2], *match.group(3, 4, 5, 6)

    def is_running(self):
        return self.popen.poll() is None

    def wait(self, seconds=STOP_S):
        """The exit status; the log is whole afterwards."""
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s; its log:\n{self.text()}") from None
        for reader in self._readers:
            reader.join(5)
        return status

    def kill(self):
        if self.is_running():
            self.popen.kill()
        return self.wait()

    def text(self):
        return "\n".join(self.log)


class Server:
    """A data directory and the processes that serve it, one after the other."""

    def __init__(self, data, *arguments, **settings):
        self.data = pathlib.Path(data)
        self.arguments = list(map(str, arguments))
        self.settings = settings
        self.processes = []
        self.host = self.port = self.ready_ms = self.ready_line = None
        self.http_host = self.http_port = None

    @property
    def process(self):
        return self.processes[-1]

    @property
    def pid(self):
        return self.process.popen.pid

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def http_address(self):
        return f"{self.http_host}:{self.http_port}"

    def launch(self, *more, preexec=None):
        """Starts a process and does not wait for anything."""
        assert not self.processes or not self.process.is_running(), "the one before still runs"
        arguments = ["--data", str(self.data), *self.arguments, *map(str, more)]
        for listener in ("--kafka", "--http"):
            if listener not in arguments:
                arguments += [listener, "127.0.0.1:0"]
        self.processes.append(Process(arguments, self.settings, preexec))
        return self.process

    def await_ready(self, seconds=START_S):
        self.ready_line, ready_ms, *addresses = self.process.await_ready(seconds)
        self.host, port, self.http_host, http_port = addresses
        self.port, self.http_port, self.ready_ms = int(port), int(http_port), int(ready_ms)
        return self

    def start(self, *more, preexec=None):
        self.launch(*more, preexec=preexec)
        return self.await_ready()

    def refused(self, *more):
        """Starts a process that must refuse: (status, what it said)."""
        process = self.launch(*more)
        status = process.wait()
        return status, "\n".join(process.out + process.log)

    def signal(self, number=signal.SIGTERM):
        self.process.popen.send_signal(number)

    def terminate(self):
        """A clean stop: the exit status."""
        self.signal()
        return self.process.wait()

    def kill(self):
        """kill -9."""
        return self.process.kill()

    def restart(self, *more):
        self.terminate()
        return self.start(*more)

    def close(self):
        for process in self.processes:
            process.kill()

    def sanitizer_reports(self):
        """Of a server built with sanitizers: they stand in its log, and need not end it."""
        return [process.text() for process in self.processes if SANITIZER.search(process.text())]

    def report(self):
        parts = []
        for process in self.processes:
            parts.append(f"--- pid {process.popen.pid}, status {process.popen.poll()}")
            parts += process.out + process.log[-60:]
        return "\n".join(parts)
