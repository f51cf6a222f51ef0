#!/usr/bin/env python3
"""Checks that the documents tell the truth about the tree: every path they name exists.

usage: tools/check_docs.py [ROOT]

Reads README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/**/*.md: words in `backticks` that look
like a path of this repository, and the targets of [links](path). A path may be written from the
root, from src/, or from the document's own folder; a bare file name must be that of some file in
the tree. Not read: fenced blocks, and docs/decisions/NNN-*.md, which are never edited and so may
name what is gone. ARCHITECTURE.md has at most 150 lines. Prints `file:line: finding`, and exits 1
if there is any.
"""

import pathlib
import re
import sys

DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/**/*.md"]
NEVER_EDITED = re.compile(r"docs/decisions/\d+-[^/]*\.md$")
MAX_LINES = {"ARCHITECTURE.md": 150}
# Folders that a build or a run makes.
MADE = ("build/", ".cache/")
OURS = {".cc", ".py", ".sh", ".md", ".cmake"}  # a path that ends so is one of ours
# Under one of our folders these, and folders, are ours; `journal/000017.log` is in a data directory.
IN_FOLDERS = OURS | {
    "", ".h", ".css", ".html", ".js", ".json", ".proto", ".sql", ".test", ".toml", ".txt",
}  # fmt: skip
PATH = re.compile(r"^[A-Za-z0-9_.+-]+(/[A-Za-z0-9_.+-]+)*/?$")
# A part in capitals stands for something (`src/NAME/x.cc`), but for the documents that are named so.
PLACEHOLDER = re.compile(
    r"(^|/)(?!(LICENSE|README|ARCHITECTURE|CONTRIBUTING|CHANGELOG)\b)[A-Z][A-Z_]*(\.|/|$)|NNN|\.\.\."
)


class Tree:
    def __init__(self, root):
        self.root = root
        self.names = set()
        self.folders = {"src"}
        for path in root.iterdir():
            if path.name.startswith(".git") and path.is_dir() or path.name == "build":
                continue
            self.names.add(path.name)
            if path.is_dir():
                self.folders.add(path.name)
                self.names.update(p.name for p in path.rglob("*") if p.is_file())
        src = root / "src"
        self.folders.update(p.name for p in src.glob("*") if p.is_dir())

    def has(self, name, document):
        places = [self.root, self.root / "src", document.parent]
        return any((place / name).exists() for place in places) or ("/" not in name and name in self.names)

    def looks_like_path(self, word):
        """Whether a word is meant to name a file or folder of this repository."""
        if not PATH.match(word) or PLACEHOLDER.search(word) or word.startswith(MADE):
            return False
        suffix = pathlib.PurePosixPath(word).suffix
        if "/" not in word:
            return suffix in OURS and not word.startswith(".")
        return suffix in OURS or (word.split("/")[0] in self.folders and suffix in IN_FOLDERS)


def check_document(tree, document):
    findings = []
    fenced = False
    lines = document.read_text(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
            continue
        if fenced:
            continue
        words = [word for text in re.findall(r"`([^`]+)`", line) for word in text.split()]
        for word in words:
            word = re.sub(r":\d+$", "", word.strip(",;:()\"'")).removeprefix("./").rstrip(".")
            if tree.looks_like_path(word) and not tree.has(word, document):
                findings.append((number, f"`{word}` does not exist; correct the name or drop it"))
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            target = target.split("#")[0]
            if target and "://" not in target and not target.startswith("mailto:"):
                if not (document.parent / target).exists():
                    findings.append((number, f"link to {target}, which does not exist"))
    most = MAX_LINES.get(document.name)
    if most and document.parent == tree.root and len(lines) > most:
        findings.append((most + 1, f"{len(lines)} lines, {most} are allowed; move detail to docs/"))
    return findings


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    tree = Tree(root)
    documents = sorted({path for pattern in DOCUMENTS for path in root.glob(pattern)})
    problems = 0
    for document in documents:
        name = document.relative_to(root).as_posix()
        if NEVER_EDITED.search(name):
            continue
        for line, what in check_document(tree, document):
            problems += 1
            print(f"{name}:{line}: {what}")
    print(f"documents: {len(documents)} read, {problems} problem{'' if problems == 1 else 's'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
