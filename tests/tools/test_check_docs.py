import pytest

FILES = {
    "tools/fresh.sh": "",
    "src/journal/writer.cc": "",
    "src/journal/writer.h": "",
    "docs/formats/journal.md": "",
}


def check(tree, tool, text, name="README.md"):
    tree({**FILES, name: text})
    return tool("check_docs.py")


@pytest.mark.parametrize("text", [
    "`tools/fresh.sh`", "`src/journal/writer.cc`", "`journal/writer.cc`", "`writer.cc`", "`journal/`",
    "`tools/fresh.sh -- make test`", "`./tools/fresh.sh`", "`writer.cc:12`", "[format](docs/formats/journal.md#frames)",
    "`build/release/bin/millrace serve --data DIR`", "`docs/decisions/NNN-title.md`", "`src/NAME/x.cc`", "`src/*.cc`",
    "`/api/v1/query`", "`application/json`", "`<boost/asio/awaitable.hpp>`", "`arrow/api.h`", "`read/write`",
    "`journal/000017.log`", "`millrace.toml`", "`tests/...`", "`https://example.org/a.md`", "`.cc`",
    "```\nsrc/gone.cc\n`src/gone.cc`\n```",
])  # fmt: skip
def test_what_is_true_or_no_path_passes(tree, tool, text):
    status, output = check(tree, tool, text)
    assert status == 0, output


@pytest.mark.parametrize("text, named", [
    ("`tools/gone.sh`", "tools/gone.sh"), ("`src/journal/gone.cc`", "src/journal/gone.cc"),
    ("`journal/gone.h`", "journal/gone.h"), ("`journl/writer.cc`", "journl/writer.cc"), ("`gone.py`", "gone.py"),
    ("`tools/gone.sh -- make test`", "tools/gone.sh"), ("`src/gone`", "src/gone"), ("[x](docs/gone.md)", "docs/gone.md"),
])  # fmt: skip
def test_what_is_gone_is_named_with_its_line(tree, tool, text, named):
    status, output = check(tree, tool, f"# Title\n\nSee {text}.\n")
    assert status == 1
    assert output.startswith("README.md:3: ")
    assert named in output
    assert "1 problem\n" in output


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/a/b.md"])
def test_every_document_is_read(tree, tool, name):
    status, output = check(tree, tool, "`tools/gone.sh`", name)
    assert (status, output.startswith(f"{name}:1: ")) == (1, True)


def test_decisions_may_name_what_is_gone(tree, tool):
    assert check(tree, tool, "`tools/gone.sh`", "docs/decisions/001-title.md")[0] == 0
    assert check(tree, tool, "`tools/gone.sh`", "docs/decisions/README.md")[0] == 1


def test_architecture_has_at_most_150_lines(tree, tool):
    assert check(tree, tool, "\n" * 150, "ARCHITECTURE.md")[0] == 0
    status, output = check(tree, tool, "\n" * 151, "ARCHITECTURE.md")
    assert (status, "151 lines, 150 are allowed" in output) == (1, True)


def test_no_documents_is_no_problem(tree, tool):
    tree({"src/base/a.cc": ""})
    assert tool("check_docs.py") == (0, "documents: 0 read, 0 problems\n")
