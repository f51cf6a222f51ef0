"""What `make install` puts down runs without the tree and the folder of dependencies."""

import subprocess

from .server import binary

BUNDLED = ("libarrow", "libparquet", "libduckdb")


def test_an_installed_binary_brings_its_libraries(tmp_path):
    tree = binary().parent.parent
    subprocess.run(["cmake", "--install", tree, "--prefix", tmp_path], check=True, capture_output=True)
    installed = tmp_path / "bin/millrace"
    linked = subprocess.run(["ldd", installed], check=True, capture_output=True, text=True).stdout
    found = {name: path.split(" (")[0] for name, _, path in (line.strip().partition(" => ") for line in linked.splitlines())}
    for name in BUNDLED:
        (path,) = (path for library, path in found.items() if library.startswith(name))
        assert path.startswith(("/usr/", str(tmp_path / "bin/../lib/millrace"))), linked
    shown = subprocess.run([installed, "version"], check=True, capture_output=True, text=True).stdout
    assert shown.startswith("millrace ")
