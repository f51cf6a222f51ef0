import pytest

ONCE = "#pragma once\n"
GOOD = {
    "src/base/CMakeLists.txt": "millrace_module(NAME base SOURCES a.cc DEPS fmt::fmt)",
    "src/base/a.h": ONCE,
    "src/base/a.cc": '#include "base/a.h"\n#include <spdlog/spdlog.h>\n#include <vector>\n',
    "src/runtime/CMakeLists.txt": "millrace_module(NAME runtime DEPS millrace::base)",
    "src/runtime/b.cc": '#include "base/a.h"\n#include <boost/asio/detached.hpp>\nauto x = asio::detached;\n',
    "src/journal/CMakeLists.txt": """
        # millrace::query in a comment is no edge
        millrace_module(NAME journal
          SOURCES w.cc
          DEPS millrace::base
          PRIVATE_DEPS millrace::runtime fmt::fmt
          TESTS w_test.cc
          TEST_DEPS millrace::io)""",
    "src/journal/w.cc": '#include "runtime/b.h"\n#include <fmt/format.h>\n#include "journal/w.h"\n',
    "src/journal/w_test.cc": '#include <gtest/gtest.h>\n#include "io/f.h"\n',
    "src/io/CMakeLists.txt": "millrace_module(NAME io DEPS millrace::base)",
}


def test_a_tree_in_order_has_no_findings(tree, tool):
    tree(GOOD)
    assert tool("check_layers.py") == (0, "layers: 0 problems\n")


# (what is broken, file, its text, what the finding says, its line)
BROKEN = [
    ("upward", "src/base/a.cc", '\n#include "journal/w.h"\n', "base (level 0) includes journal/w.h of journal (level 3), upward", 2),
    ("sideways", "src/io/f.cc", '#include "record/r.h"\n', "record (level 2), sideways", 1),
    ("undeclared", "src/io/f.cc", '#include "runtime/b.h"\n', "uses runtime undeclared; add millrace::runtime to DEPS", 1),
    ("test_dep_in_library", "src/journal/w.cc", '#include "io/f.h"\n', "uses io undeclared; add millrace::io to DEPS", 1),
    ("undeclared_in_test", "src/journal/v_test.cc", '#include "record/f.h"\n', "to TEST_DEPS in src/journal", 1),
    ("upward_in_test", "src/journal/v_test.cc", '#include "broker/f.h"\n', "upward", 1),
    ("upward_dep", "src/io/CMakeLists.txt", "millrace_module(NAME io\n DEPS millrace::cli)", "names in its DEPS cli", 2),
    ("unknown_dep", "src/io/CMakeLists.txt", "millrace_module(NAME io DEPS millrace::utils)", "no folder of src/", 1),
    ("no_level", "src/utils/x.cc", "\n", "folder has no level", 1),
    ("no_cmake", "src/pull/x.cc", '#include "base/a.h"\n', "no CMakeLists.txt", 1),
    ("fmt", "src/io/f.cc", "#include <fmt/chrono.h>\n", "which base may", 1),
    ("spdlog", "src/io/f.cc", "#include <spdlog/spdlog.h>\n", "which base may", 1),
    ("prometheus", "src/io/f.cc", "#include <prometheus/counter.h>\n", "which base may", 1),
    ("toml", "src/io/f.cc", "#include <toml++/toml.h>\n", "which base may", 1),
    ("zstd", "src/io/f.cc", "#include <zstd.h>\n", "which bytes may", 1),
    ("lz4", "src/io/f.cc", "#include <lz4frame.h>\n", "which bytes may", 1),
    ("snappy", "src/io/f.cc", "#include <snappy.h>\n", "which bytes may", 1),
    ("zlib", "src/io/f.cc", "#include <zlib.h>\n", "which bytes may", 1),
    ("asio", "src/io/f.cc", "#include <boost/asio/post.hpp>\n", "which net and runtime may", 1),
    ("beast", "src/io/f.cc", "#include <boost/beast/http.hpp>\n", "which net may", 1),
    ("openssl", "src/io/f.cc", "#include <openssl/ssl.h>\n", "which net may", 1),
    ("liburing", "src/base/a.cc", "#include <liburing.h>\n", "which io may", 1),
    ("arrow", "src/io/f.cc", "#include <arrow/array.h>\n", "which columnar may", 1),
    ("parquet", "src/io/f.cc", "#include <parquet/api/writer.h>\n", "which columnar may", 1),
    ("arrow_io", "src/io/f.cc", "#include <arrow/io/file.h>\n", "which columnar and objects may", 1),
    ("simdjson", "src/io/f.cc", "#include <simdjson.h>\n", "which columnar may", 1),
    ("sqlite", "src/io/f.cc", '#include "sqlite3.h"\n', "which catalog may", 1),
    ("rdkafka", "src/io/f.cc", "#include <librdkafka/rdkafkacpp.h>\n", "which client may", 1),
    ("duckdb", "src/io/f.cc", "#include <duckdb.h>\n", "which query may", 1),
    ("cli11", "src/io/f.cc", "#include <CLI/CLI.hpp>\n", "which cli may", 1),
    ("nlohmann", "src/io/f.cc", "#include <nlohmann/json.hpp>\n", "which cli and http and query may", 1),
    ("fuse", "src/io/f.cc", "#include <fuse3/fuse.h>\n", "nobody in src/", 1),
    ("gtest", "src/io/f.cc", "#include <gtest/gtest.h>\n", "outside a test", 1),
    ("benchmark", "src/io/f_test.cc", "#include <benchmark/benchmark.h>\n", "outside a benchmark", 1),
    ("relative", "src/io/f.cc", '#include "f.h"\n', "no path from src/", 1),
    ("long_source", "src/io/f.cc", "\n" * 501, "501 lines, 500 are allowed", 501),
    ("long_header", "src/io/f.h", ONCE + "\n" * 300, "301 lines, 300 are allowed", 301),
    ("long_test", "tests/fault/f.cc", "\n" * 501, "501 lines", 501),
    ("no_pragma", "src/io/f.h", "// #pragma once\n", "no #pragma once", 1),
    ("detached", "src/io/f.cc", "\n\nspawn(x, boost::asio::detached);\n", "outside runtime/", 3),
]


@pytest.mark.parametrize("name, path, text, says, line", BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_rule_is_found_and_nothing_else(tree, tool, name, path, text, says, line):
    tree({**GOOD, path: text})
    status, output = tool("check_layers.py")
    assert status == 1
    findings = output.splitlines()[:-1]
    where = path.rsplit("/", 1)[0] if name in ("no_level", "no_cmake") else path
    assert len(findings) == 1, output
    assert findings[0].startswith(f"{where}:{line}: ")
    assert says in findings[0]


def test_edge_sizes_generated_files_and_comments_are_fine(tree, tool):
    tree({
        **GOOD,
        "src/io/f.cc": "\n" * 500,
        "src/io/f.h": ONCE + "\n" * 299,
        "src/io/wire.gen.h": "\n" * 2000,
        "src/io/g.cc": '// #include "cli/x.h"\n/*\n#include <duckdb.h>\nasio::detached */\n'
        'auto s = "// no comment";\nauto r = R"x(\n#include "cli/x.h"\n)x";\n',
    })  # fmt: skip
    status, output = tool("check_layers.py")
    assert (status, output) == (0, "layers: 0 problems\n")


def test_every_owner_may_include_its_own(tree, tool):
    tree({
        "src/columnar/CMakeLists.txt": "millrace_module(NAME columnar)",
        "src/columnar/a.cc": "#include <arrow/api.h>\n#include <parquet/types.h>\n#include <arrow/io/api.h>\n",
        "src/objects/CMakeLists.txt": "millrace_module(NAME objects)",
        "src/objects/a.cc": "#include <arrow/filesystem/s3fs.h>\n",
        "src/http/CMakeLists.txt": "millrace_module(NAME http)",
        "src/http/a.cc": "#include <nlohmann/json.hpp>\n",
    })  # fmt: skip
    assert tool("check_layers.py")[0] == 0
