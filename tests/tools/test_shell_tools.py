"""The shell tools, each copied into a small repository with stand-ins for the programs it calls."""

import os
import shutil
import subprocess

import pytest
from conftest import TOOLS


@pytest.fixture
def repo(tmp_path):
    root = tmp_path / "repo"
    (root / "tools").mkdir(parents=True)
    for name in ("setup.sh", "step.sh", "tidy.sh", "check_format.sh", "fuzz.sh"):
        shutil.copy(TOOLS / name, root / "tools" / name)
    (root / "tests").mkdir()
    (root / "tests/requirements.txt").write_text("pytest==1\n")
    (tmp_path / "bin").mkdir()
    return root


@pytest.fixture
def fake(tmp_path):
    """fake("name", "shell text"): the program found first on PATH."""

    def write(name, text):
        path = tmp_path / "bin" / name
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def sh(repo, tmp_path):
    def run(*command, **environment):
        env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path), "JOBS": "1"}
        env.update(GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
        env.update(environment)
        result = subprocess.run(command, cwd=repo, env=env, capture_output=True, text=True, check=False, timeout=60)
        return result.returncode, result.stdout + result.stderr

    return run


# --- setup.sh -------------------------------------------------------------------------------------


def everything_but(*missing):
    """A dpkg-query that has all it is asked for but these."""
    return f'for p in "${{@:3}}"; do case $p in {"|".join(missing) or "-"}) ;; *) echo "$p install ok installed" ;; esac; done'


def whole(deps, repo):
    """Makes a folder of dependencies look set up."""
    digest = subprocess.run(["sha256sum", repo / "tests/requirements.txt"], capture_output=True, text=True, check=True)
    for name in ("arrow/26.0.1", "duckdb/1.5.5-r.5", "flights/0.0.3", f"venv-{digest.stdout[:12]}/.complete"):
        path = deps / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_setup_with_everything_there_does_nothing_at_once(repo, fake, sh, tmp_path):
    fake("dpkg-query", everything_but())
    fake("apt-get", "exit 9")
    whole(tmp_path / "deps", repo)
    status, output = sh("tools/setup.sh", MILLRACE_DEPS=str(tmp_path / "deps"))
    assert status == 0
    assert output.startswith("setup: all there (")
    assert sh("tools/setup.sh", "--quiet", MILLRACE_DEPS=str(tmp_path / "deps")) == (0, "")


def test_setup_without_root_prints_the_administrators_command_and_stops(fake, sh, tmp_path):
    fake("dpkg-query", everything_but("kcat", "clang-19"))
    fake("id", "echo 1000")
    fake("apt-get", "exit 9")
    status, output = sh("tools/setup.sh", MILLRACE_DEPS=str(tmp_path / "deps"))
    assert status == 1
    assert "apt-get update && apt-get install -y --no-install-recommends clang-19 kcat\n" in output
    assert not (tmp_path / "deps").exists()


def test_setup_without_root_goes_on_when_only_the_users_parts_are_missing(repo, fake, sh, tmp_path):
    fake("dpkg-query", everything_but())
    fake("id", "echo 1000")
    whole(tmp_path / "deps", repo)
    (tmp_path / "deps/arrow/26.0.1").unlink()
    venv = next((tmp_path / "deps").glob("venv-*"))
    (venv / "bin").mkdir()
    python = venv / "bin/python"
    python.write_text('#!/bin/bash\nwhile [ $# -gt 0 ]; do [ "$1" = -d ] && echo junk >"$2/pyarrow-x.whl"; shift; done\n')
    python.chmod(0o755)
    status, output = sh("tools/setup.sh", MILLRACE_DEPS=str(tmp_path / "deps"))
    assert status == 1  # it got as far as the download, and refused it
    assert "pyarrow-x.whl is damaged or was replaced: sha256 " in output
    assert not (tmp_path / "deps/arrow/26.0.1").exists()
    assert not list((tmp_path / "deps").glob(".new.*"))


def test_setup_as_root_says_what_and_why_and_shows_a_failed_apt(fake, sh, tmp_path):
    fake("dpkg-query", everything_but("kcat"))
    fake("id", "echo 0")
    fake("apt-get", "echo no such mirror; exit 100")
    status, output = sh("tools/setup.sh", MILLRACE_DEPS=str(tmp_path / "deps"), TMPDIR=str(tmp_path))
    assert status == 1
    assert "  kcat                  Kafka client of tests and demo\n" in output
    assert "no such mirror" in output


def test_setup_refuses_another_architecture(fake, sh):
    fake("uname", "echo aarch64")
    status, output = sh("tools/setup.sh")
    assert (status, "x86_64 only" in output) == (1, True)


# --- Makefile and .ci/run -------------------------------------------------------------------------


def test_make_alone_lists_the_targets(repo, sh):
    shutil.copy(TOOLS.parent / "Makefile", repo)
    status, output = sh("make")
    assert status == 0
    listed = {line.split()[0] for line in output.splitlines() if line.startswith("  ")}
    assert {"help", "setup", "build", "test", "check", "soak", "bench", "clean"} <= listed


def test_ci_runs_test_then_check_and_stops_at_a_failure(repo, fake, sh):
    (repo / ".ci").mkdir()
    shutil.copy(TOOLS.parent / ".ci/run", repo / ".ci/run")
    fake("make", 'echo "made $1"')
    status, output = sh(".ci/run")
    assert (status, [line for line in output.splitlines() if "made" in line]) == (0, ["made test", "made check"])
    fake("make", 'echo "made $1"; exit 2')
    status, output = sh(".ci/run")
    assert (status, "made check" in output, "ci: make test FAILED after " in output) == (1, False, True)


# --- step.sh --------------------------------------------------------------------------------------


def test_step_says_title_time_and_passes_the_status_on(sh):
    assert sh("tools/step.sh", "one", "true") == (0, "\n== one: true\n== one: ok, 0 s\n")
    status, output = sh("tools/step.sh", "two", "bash", "-c", "exit 7")
    assert (status, "== two: FAILED with status 7 after " in output) == (7, True)


# --- tidy.sh --------------------------------------------------------------------------------------


@pytest.fixture
def history(repo, fake, sh):
    """history(files of commit 1, files of commit 2, ...): all known to the dev tree."""
    fake("clang-tidy-fake", 'echo "warning in ${@: -1}"; [[ ${@: -1} != *bad* ]]')

    def make(*commits):
        sh("git", "init", "-q")
        (repo / ".gitignore").write_text("build/\n")
        known = set()
        for number, files in enumerate(commits):
            for name in files:
                path = repo / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"// {number}\n")
                known.add(name)
            sh("git", "add", "-A")
            assert sh("git", "commit", "-qm", f"x: {number}")[0] == 0
        (repo / "build/dev").mkdir(parents=True, exist_ok=True)
        (repo / "build/dev/compile_commands.json").write_text("".join(f'"file": "{repo}/{n}"\n' for n in known))

    return make


def tidied(output):
    return [line.split(": ")[1] for line in output.splitlines() if line.endswith(" s") and line.startswith("tidy: ")]


def test_tidy_takes_the_newest_first_tests_last_and_names_what_it_leaves_out(history, sh):
    history(["src/a/old.cc"], ["src/a/x_test.cc", "src/a/mid.cc"], ["src/a/new.cc"])
    status, output = sh("tools/tidy.sh", CLANG_TIDY="clang-tidy-fake")
    assert status == 0
    assert tidied(output) == ["src/a/new.cc", "src/a/mid.cc", "src/a/old.cc", "src/a/x_test.cc"]
    status, output = sh("tools/tidy.sh", CLANG_TIDY="clang-tidy-fake", TIDY_MAX="2")
    assert tidied(output) == ["src/a/new.cc", "src/a/mid.cc"]
    assert "tidy: beyond TIDY_MAX=2, left out: src/a/old.cc src/a/x_test.cc\n" in output


def test_tidy_goes_back_so_many_commits_and_takes_what_is_not_committed(history, repo, sh):
    history(["src/a/old.cc"], ["src/a/mid.cc"], ["src/a/new.cc"])
    (repo / "src/a/old.cc").write_text("// touched\n")
    _, output = sh("tools/tidy.sh", CLANG_TIDY="clang-tidy-fake", TIDY_COMMITS="1")
    assert tidied(output) == ["src/a/old.cc", "src/a/new.cc"]


def test_tidy_takes_the_source_of_a_changed_header(history, sh):
    history(["src/a/w.cc", "src/a/v.cc"], ["src/a/w.h"])
    _, output = sh("tools/tidy.sh", CLANG_TIDY="clang-tidy-fake", TIDY_COMMITS="1")
    assert tidied(output) == ["src/a/w.cc"]


def test_tidy_fails_with_the_findings_of_every_bad_file(history, sh):
    history(["src/a/bad1.cc", "src/a/bad2.cc", "src/a/good.cc"])
    status, output = sh("tools/tidy.sh", CLANG_TIDY="clang-tidy-fake")
    assert status == 1
    assert "warning in src/a/bad1.cc\ntidy: src/a/bad1.cc: PROBLEMS, " in output
    assert "warning in src/a/bad2.cc\n" in output
    assert "warning in src/a/good.cc" not in output


def test_tidy_skips_the_deleted_and_names_what_the_tree_does_not_build(history, repo, sh):
    history(["src/a/a.cc", "src/a/gone.cc"])
    (repo / "src/a/gone.cc").unlink()
    (repo / "src/a/stray.cc").write_text("")
    status, output = sh("tools/tidy.sh", CLANG_TIDY="clang-tidy-fake")
    assert (status, tidied(output)) == (0, ["src/a/a.cc"])
    assert "tidy: not part of the dev tree: src/a/stray.cc\n" in output


def test_tidy_works_in_a_shallow_clone(history, repo, sh, tmp_path):
    history(["src/a/old.cc"], ["src/a/new.cc"])
    shallow = tmp_path / "shallow"
    assert sh("git", "clone", "-q", "--depth", "1", f"file://{repo}", str(shallow))[0] == 0
    (shallow / "build/dev").mkdir(parents=True)
    (shallow / "build/dev/compile_commands.json").write_text(f'"{shallow}/src/a/old.cc"\n"{shallow}/src/a/new.cc"\n')
    status, output = sh(str(shallow / "tools/tidy.sh"), CLANG_TIDY="clang-tidy-fake")
    assert status == 0
    assert set(tidied(output)) == {"src/a/old.cc", "src/a/new.cc"}


def test_tidy_says_what_it_needs(sh):
    status, output = sh("tools/tidy.sh")
    assert (status, "build the dev tree first" in output) == (1, True)


# --- check_format.sh ------------------------------------------------------------------------------


def test_format_checks_files_git_knows_and_new_ones_but_not_ignored_or_deleted(history, repo, fake, sh):
    history(["src/a/a.cc", "src/a/gone.h"])
    (repo / "src/a/gone.h").unlink()
    (repo / "src/a/new.h").write_text("")
    (repo / "build/x.cc").write_text("")
    fake("clang-format-fake", 'echo "$@"')
    status, output = sh("tools/check_format.sh", CLANG_FORMAT="clang-format-fake")
    assert (status, output) == (0, "--dry-run --Werror src/a/a.cc src/a/new.h\nformat: 2 files, 0 problems\n")
    fake("clang-format-fake", "exit 1")
    status, output = sh("tools/check_format.sh", CLANG_FORMAT="clang-format-fake")
    assert (status, "--fix" in output) == (1, True)


# --- fuzz.sh --------------------------------------------------------------------------------------


@pytest.fixture
def target(repo):
    def write(name, text):
        path = repo / f"build/asan/bin/fuzz_{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)
        (repo / f"tests/fuzz/corpus/{name}").mkdir(parents=True)

    return write


def test_fuzz_runs_every_target_and_fails_with_its_log(target, sh):
    target("good", 'echo "$@"; echo stat::number_of_executed_units: 123')
    assert sh("tools/fuzz.sh", "3") == (0, "fuzz: good: ok, 123 runs in 3 s\n")
    target("bad", "echo ERROR: overflow; exit 77")
    status, output = sh("tools/fuzz.sh", "3")
    assert status != 0
    assert "ERROR: overflow\nfuzz: bad: FAILED; the input and the log are in build/fuzz/bad\n" in output
    assert "fuzz: good: ok" in output
    assert sh("tools/fuzz.sh", "3", "good")[0] == 0


def test_fuzz_without_targets_says_so_but_a_name_must_exist(sh):
    assert sh("tools/fuzz.sh") == (0, "fuzz: no targets\n")
    assert sh("tools/fuzz.sh", "3", "gone")[0] == 1
