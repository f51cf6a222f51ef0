#!/usr/bin/env python3
"""Checks that the folders of src/ use each other, and the heavy libraries, as they are allowed to.

usage: tools/check_layers.py [ROOT]

A folder of src/ is a library and has a level; it may include only folders of a lower level, and
only those named in DEPS or PRIVATE_DEPS (its tests: TEST_DEPS too) of the millrace_module() in its
CMakeLists.txt. A heavy library is included by its owner alone. Prints one line a finding,
`file:line: what is wrong; what to do`, and exits 1 if there is any.
"""

import pathlib
import re
import sys

LEVELS = {
    "base": 0,
    "bytes": 1, "runtime": 1,
    "io": 2, "net": 2, "record": 2, "pipeline": 2,
    "journal": 3, "objects": 3, "columnar": 3, "catalog": 3,
    "segment": 4, "client": 4,
    "broker": 5, "tables": 5,
    "fsck": 6, "ingest": 6, "query": 6,
    "kafka": 7, "http": 7, "grpc": 7, "relay": 7, "pull": 7,
    "verify": 8, "server": 8,
    "bench": 8,
    "cli": 9,
}  # fmt: skip

# Folders that are not in src/ and that src/ may use. Their files are named from the root.
ELSEWHERE = {"bench": "bench/append"}

# (headers, folders that may include them). The first row that matches the start of a name counts.
OWNERS = [
    (r"fmt/(core|format)\.h$", set(LEVELS)),  # cheap, so everybody formats; the others are not
    (r"fmt/", {"base"}),
    (r"spdlog/", {"base"}),
    (r"prometheus/", {"base"}),
    (r"toml\+\+/|toml\.hpp$", {"base"}),
    (r"(zstd|zstd_errors|zdict|lz4|lz4hc|lz4frame|zlib|zconf)\.h$", {"bytes"}),
    (r"snappy(-c|-sinksource)?\.h$", {"bytes"}),
    # Coroutines get <boost/asio/awaitable.hpp> by way of runtime/ headers, and a forward declaration
    # in a header is no include, so nobody else needs Asio.
    (r"boost/asio(/|\.hpp)", {"runtime", "net"}),
    (r"boost/beast(/|\.hpp)", {"net"}),
    (r"openssl/", {"net"}),
    (r"liburing(\.h|/)", {"io"}),
    (r"arrow/(filesystem|io)/", {"columnar", "objects"}),
    (r"arrow/|parquet/", {"columnar"}),
    (r"simdjson(\.h|/)", {"columnar"}),
    (r"sqlite3(ext)?\.h$", {"catalog"}),
    (r"librdkafka/", {"client"}),
    (r"duckdb(\.hpp|\.h|/)", {"query"}),
    (r"CLI/", {"cli"}),
    (r"nlohmann/", {"cli", "http", "query"}),
    (r"fuse(3/|_|\.h)|fuse/", set()),  # only tests/ mounts file systems
]

MAX_LINES = {".cc": 500, ".h": 300}
TEST = re.compile(r"_test\.(cc|h)$")
BENCH = re.compile(r"_bench\.cc$")
GENERATED = re.compile(r"\.gen\.(cc|h)$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
DETACHED = re.compile(r"\basio::detached(_t)?\b|boost/asio/detached\.hpp")
COMMENT_OR_TEXT = re.compile(
    r'(?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")'
    r'|(?P<keep>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\')'
    r"|//[^\n]*|/\*.*?\*/",
    re.S,
)
KEYWORD = re.compile(r"^[A-Z][A-Z_]+$")


def without_comments(text):
    """The text with comments and raw strings blanked, every line where it was."""
    return COMMENT_OR_TEXT.sub(lambda m: m["keep"] or "\n" * m[0].count("\n"), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


class Module:
    """What src/NAME/CMakeLists.txt declares: our folders by name, each with its line."""

    def __init__(self, path):
        self.deps = {}
        self.test_deps = {}
        self.exists = path.is_file()
        if not self.exists:
            return
        text = re.sub(r"#[^\n]*", "", path.read_text())
        for call in re.finditer(r"\b(millrace_module|target_link_libraries)\s*\(([^)]*)\)", text):
            keyword = ""
            for word in re.finditer(r"\S+", call[2]):
                if KEYWORD.match(word[0]):
                    keyword = word[0]
                elif word[0].startswith("millrace::"):
                    into = self.test_deps if keyword == "TEST_DEPS" else self.deps
                    into.setdefault(word[0].removeprefix("millrace::"), line_of(text, call.start(2) + word.start()))


class Check:
    def __init__(self, root):
        self.root = root
        self.findings = []

    def report(self, path, line, what):
        self.findings.append((str(path.relative_to(self.root)), line, what))

    def run(self):
        folders = {p.name: p for p in sorted((self.root / "src").glob("*")) if p.is_dir()}
        folders |= {name: p for name, at in ELSEWHERE.items() if (p := self.root / at).is_dir()}
        for name, folder in folders.items():
            files = [p for p in sorted(folder.rglob("*")) if p.suffix in MAX_LINES and p.is_file()]
            lists = folder / "CMakeLists.txt"
            if name not in LEVELS:
                self.report(folder, 1, "folder has no level; give it one in LEVELS of tools/check_layers.py")
                continue
            module = Module(lists)
            if files and not module.exists:
                self.report(folder, 1, "no CMakeLists.txt; declare the folder with millrace_module()")
            for dep, line in [*module.deps.items(), *module.test_deps.items()]:
                self.edge(lists, line, name, dep, "names in its DEPS")
            for path in files:
                self.includes(path, name, module)
        for top in ("src", "tests", "bench"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in MAX_LINES and path.is_file():
                    self.form(path)
        return sorted(self.findings)

    def edge(self, path, line, user, used, verb):
        """Reports an edge between two folders that points up or sideways. True if it is fine."""
        if used not in LEVELS:
            self.report(path, line, f"{user} {verb} {used}, which is no folder of src/")
        elif user == used or LEVELS[used] < LEVELS[user]:
            return True
        else:
            way = "upward" if LEVELS[used] > LEVELS[user] else "sideways"
            self.report(
                path, line,
                f"{user} (level {LEVELS[user]}) {verb} {used} (level {LEVELS[used]}), {way}; "
                "move what both need down, or define an interface below",
            )  # fmt: skip
        return False

    def includes(self, path, folder, module):
        text = without_comments(path.read_text(errors="replace"))
        is_test = bool(TEST.search(path.name))
        is_bench = bool(BENCH.search(path.name))
        for match in INCLUDE.finditer(text):
            line, quoted, name = line_of(text, match.start(1)), match[1] == '"', match[2]
            heavy = next((owners for pattern, owners in OWNERS if re.match(pattern, name)), None)
            if heavy is not None:
                if folder not in heavy:
                    who = " and ".join(sorted(heavy)) or "nobody in src/"
                    self.report(path, line, f"includes {name}, which {who} may; hide it behind an interface there")
            elif re.match(r"(gtest|gmock)/", name):
                if not is_test:
                    self.report(path, line, f"includes {name} outside a test; move it to a *_test.cc")
            elif name.startswith("benchmark/"):
                if not is_bench:
                    self.report(path, line, f"includes {name} outside a benchmark; move it to a *_bench.cc")
            elif quoted:
                used = "client" if name.startswith("millrace/") else name.split("/")[0]
                if "/" not in name or used not in LEVELS:
                    self.report(
                        path, line, f'"{name}" is no path from src/; write "folder/file.h", or <...> for a library'
                    )
                elif self.edge(path, line, folder, used, f"includes {name} of") and used != folder:
                    self.declared(path, line, folder, used, module, is_test or is_bench)

    def declared(self, path, line, folder, used, module, is_test):
        if not module.exists:  # found once, for the folder
            return
        if used in module.deps or (is_test and used in module.test_deps):
            return
        where = "TEST_DEPS" if is_test else "DEPS"
        self.report(path, line, f"uses {used} undeclared; add millrace::{used} to {where} in src/{folder}/CMakeLists.txt")

    def form(self, path):
        raw = path.read_text(errors="replace")
        text = without_comments(raw)
        lines = raw.count("\n")
        if GENERATED.search(path.name):
            return
        if lines > MAX_LINES[path.suffix]:
            self.report(
                path, MAX_LINES[path.suffix] + 1,
                f"{lines} lines, {MAX_LINES[path.suffix]} are allowed; split it by what its parts do",
            )  # fmt: skip
        if path.suffix == ".h" and not re.search(r"^#pragma once\b", text, re.M):
            self.report(path, 1, "no #pragma once; add it before the first include")
        if path.relative_to(self.root).parts[:2] != ("src", "runtime"):
            for match in DETACHED.finditer(text):
                self.report(
                    path, line_of(text, match.start()),
                    f"{match[0]} outside runtime/; spawn through a Gate, so that stop() can wait for it",
                )  # fmt: skip


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    findings = Check(root).run()
    for path, line, what in findings:
        print(f"{path}:{line}: {what}")
    print(f"layers: {len(findings)} problem{'' if len(findings) == 1 else 's'}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
