import pathlib
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))


@pytest.fixture
def tree(tmp_path):
    """Writes a small repository: tree({"src/base/a.h": "text"}) returns its root."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def tool(tmp_path):
    """Runs tools/NAME on the small repository: (status, output)."""

    def run(name, *arguments):
        result = subprocess.run(
            [TOOLS / name, *(arguments or [tmp_path])], capture_output=True, text=True, check=False, timeout=60
        )
        return result.returncode, result.stdout + result.stderr

    return run
