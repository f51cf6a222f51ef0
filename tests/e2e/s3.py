"""A real S3 server for tests: SeaweedFS, with one bucket, in a directory and on loopback ports of its own."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import urllib.error
import urllib.request

from .server import wait_for

BUCKET = "test"
KEYS = {"AWS_ACCESS_KEY_ID": "access-key", "AWS_SECRET_ACCESS_KEY": "secret-key"}
NOWHERE = ("--bucket", "s3://b", "--bucket-endpoint", "http://127.0.0.1:1")  # nothing leaves the journal
PARTS = ("master", "volume", "filer", "s3", "admin")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class S3Server:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.ports = dict(zip([(part, kind) for part in PARTS for kind in ("port", "port.grpc")], free_ports(2 * len(PARTS)), strict=True))
        self.popen = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.ports['s3', 'port']}"

    def flags(self, prefix=""):
        """Of `millrace serve`; the keys come by the environment."""
        return ("--bucket", f"s3://{BUCKET}/{prefix}", "--bucket-endpoint", self.endpoint, "--bucket-region", "us-east-1")

    def start(self):
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        ports = [f"-{part}.{kind}={port}" for (part, kind), port in self.ports.items()]
        with (self.directory / "log").open("ab") as log:
            self.popen = subprocess.Popen(
                [pathlib.Path(sys.executable).parent / "weed", "-logtostderr", "mini", f"-dir={data}", "-ip=127.0.0.1",
                 "-ip.bind=127.0.0.1", f"-bucket={BUCKET}", "-s3.autoCreateBucket=false", "-master.telemetry=false",
                 "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
                 f"-filer.localSocket={data}/filer.sock", f"-s3.localSocket={data}/s3.sock", *ports],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**KEYS, "HOME": str(self.directory), "GOMAXPROCS": "2", "PATH": os.environ["PATH"]},
            )  # fmt: skip
        wait_for("the S3 server with its bucket", self.is_ready, 60)
        return self

    def is_ready(self):
        assert self.popen.poll() is None, (self.directory / "log").read_text()[-2000:]
        return (self.answers("s3", "/healthz") is not None and self.answers("filer", f"/buckets/{BUCKET}/") is not None
                and "fid" in (self.answers("master", f"/dir/assign?collection={BUCKET}") or ""))  # fmt: skip

    def answers(self, part, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[part, 'port']}{path}", timeout=5) as answer:
                return answer.read().decode("utf-8", "replace")
        except (urllib.error.URLError, OSError):
            return None

    def filer(self, path, method="GET"):
        url = f"http://127.0.0.1:{self.ports['filer', 'port']}/buckets/{BUCKET}/{path}"
        request = urllib.request.Request(url, method=method, headers={"Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def names(self, prefix):
        """Of all objects below it."""
        found = []
        try:
            listed = self.filer(f"{prefix}/?limit=10000")
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return found
        for entry in json.loads(listed)["Entries"] or []:
            name = entry["FullPath"].removeprefix(f"/buckets/{BUCKET}/")
            found += self.names(name) if entry["Mode"] >> 31 else [name]
        return found

    def move(self, prefix, to):
        """An object, or all below a prefix, by the filer behind the bucket."""
        self.filer(f"{to}?mv.from=/buckets/{BUCKET}/{prefix}", "POST")

    def stop(self):
        """As by kill -9: what it has stays."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()
            self.popen = None
            for (part, kind), port in self.ports.items():
                if kind == "port.grpc":
                    pathlib.Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)
