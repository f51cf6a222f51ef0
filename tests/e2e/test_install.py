"""What `make install` puts down runs without the tree and the folder of dependencies."""

import re
import subprocess

from .server import ROOT, binary

BUNDLED = ("libarrow.", "libarrow_s3.", "libparquet.", "libduckdb.")


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


def test_the_operations_guide_names_the_packages_that_it_needs():
    named = re.search(r"^apt-get install (.*?[^\\])$", (ROOT / "docs/operations.md").read_text(), re.M | re.S)[1]
    packages = set(named.replace("\\\n", " ").split())
    headers = subprocess.run(["objdump", "-p", binary()], check=True, capture_output=True, text=True).stdout
    needed = {name for name in re.findall(r"NEEDED +(\S+)", headers) if not name.startswith(BUNDLED)}
    shown = subprocess.run(["ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    paths = {name: path for name, path in re.findall(r"^\s+(\S+) .* => (\S+)$", shown, re.M) if name in needed}
    assert paths.keys() == needed
    for path in paths.values():
        found = subprocess.run(["dpkg", "-S", f"*/{path.rsplit('/', 1)[1]}"], check=True, capture_output=True, text=True).stdout
        owners = {line.split(":")[0] for line in found.splitlines() if "lib32" not in line}
        assert owners & (packages | {"libc6", "libgcc-s1"}), found
