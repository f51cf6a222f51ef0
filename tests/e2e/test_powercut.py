"""Power cuts under load, in their short form, proofs that they can fail, and the disk they happen on."""

import errno
import mmap
import os
import signal
import subprocess
import sys

import pytest
from crash import campaign, powercut
from crash.power_fs import PowerFs, PowerFsError

from .server import ROOT, wait_for

SEED = 20_260
SEEDS = range(1, 25)  # of disks: by chance each of two outcomes comes up


def test_20_rounds_of_power_cuts():
    violations, counters = powercut.run(20, SEED)
    assert violations == [], "\n".join(violations)
    assert counters["rounds"] == 20
    assert campaign.missing(powercut.Powercut, counters) == []


@pytest.mark.parametrize("plant", powercut.PLANTS)
def test_a_disk_that_ignores_syncs_is_noticed(plant):
    command = [sys.executable, ROOT / "tests/crash/powercut.py", "--rounds", "8", "--seed", str(SEED), "--plant", plant]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "powercut: BROKEN" in done.stdout


def test_a_campaign_without_its_disk_is_no_noticed_plant(tmp_path):
    (tmp_path / "millrace").touch()  # power_fs would be beside it
    command = [sys.executable, ROOT / "tests/crash/powercut.py", "--rounds", "1", "--plant", "journal"]
    done = subprocess.run([*command, "--bin", tmp_path / "millrace"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "is not built" in done.stderr) == (2, True)


def test_an_interrupted_campaign_leaves_nothing_behind(tmp_path):
    command = [sys.executable, "-X", "faulthandler", ROOT / "tests/crash/powercut.py", "--rounds", "100", "--seed", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": tmp_path}) as child:
        wait_for("a server on the disk", lambda: list(tmp_path.glob("*/disk/data/journal/*.log")), 30)
        child.send_signal(signal.SIGINT)
        try:
            _, told = child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGABRT)  # it tells where it was
            pytest.fail(f"still running 60 s later:\n{child.communicate()[1]}")
    assert child.returncode != 0
    assert list(tmp_path.iterdir()) == [], told


def test_a_plant_of_another_name_is_wrong_usage():
    command = [sys.executable, ROOT / "tests/crash/powercut.py", "--rounds", "1", "--plant", "none"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 2


# --- the disk --------------------------------------------------------------------------------------


@pytest.fixture
def make_disk(tmp_path):
    made = []

    def make(seed=1):
        (tmp_path / str(len(made))).mkdir()
        made.append(PowerFs(tmp_path / str(len(made)), seed))
        return made[-1]

    yield make
    for disk in made:
        disk.close()
        assert not os.path.ismount(disk.directory)


@pytest.fixture
def disk(make_disk):
    return make_disk()


def write(path, data, sync=True, mode="wb"):
    with open(path, mode) as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def sync_directory(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def outcomes(make_disk, act, look):
    """What is left, on disks of several seeds, of what `act` did."""
    found = []
    for seed in SEEDS:
        with make_disk(seed) as disk:
            act(disk)
            disk.power()
            found.append(look(disk))
    return found


def test_what_was_synced_stays(make_disk):
    def act(disk):
        write(disk.directory / "a", b"x" * 10_000)
        sync_directory(disk.directory)
        write(disk.directory / "a", b"y" * 100, sync=False, mode="ab")

    left = outcomes(make_disk, act, lambda disk: (disk.directory / "a").read_bytes())
    assert {data[:10_000] for data in left} == {b"x" * 10_000}
    assert {len(data) for data in left} == {10_000, 10_100}


def test_sectors_that_were_not_synced_are_old_or_new(make_disk):
    def act(disk):
        write(disk.directory / "a", b"o" * 2048)
        sync_directory(disk.directory)
        write(disk.directory / "a", b"n" * 2048, sync=False, mode="r+b")

    left = outcomes(make_disk, act, lambda disk: (disk.directory / "a").read_bytes())
    sectors = {data[at : at + 512] for data in left for at in range(0, 2048, 512)}
    assert sectors == {b"o" * 512, b"n" * 512}
    assert any(len({data[at] for at in range(0, 2048, 512)}) == 2 for data in left), "never a torn one"


def test_a_rename_without_sync_of_its_directory_may_vanish(make_disk):
    def act(disk):
        write(disk.directory / "a", b"x")
        sync_directory(disk.directory)
        os.rename(disk.directory / "a", disk.directory / "b")

    left = outcomes(make_disk, act, lambda disk: tuple(os.listdir(disk.directory)))
    assert set(left) == {("a",), ("b",)}


def test_a_directory_without_sync_of_its_parent_takes_its_files_along(make_disk):
    def act(disk):
        (disk.directory / "d").mkdir()
        write(disk.directory / "d/a", b"x")
        sync_directory(disk.directory / "d")

    left = outcomes(make_disk, act, lambda disk: [str(p.relative_to(disk.directory)) for p in sorted(disk.directory.rglob("*"))])
    assert sorted(left, key=len)[0] == [] and sorted(left, key=len)[-1] == ["d", "d/a"]
    assert ["d"] not in left


def test_a_removed_file_stays_readable_while_it_is_open(disk):
    write(disk.directory / "a", b"x" * 5000)
    with open(disk.directory / "a", "r+b") as file:
        os.remove(disk.directory / "a")
        assert os.listdir(disk.directory) == []
        file.seek(4999)
        file.write(b"yz")
        file.flush()
        file.seek(4998)
        assert file.read() == b"xyz"


def test_names_sizes_and_directories_are_those_of_a_file_system(disk):
    root = disk.directory
    with pytest.raises(FileNotFoundError):
        write(root / "d/a", b"")
    os.makedirs(root / "d/e")
    with pytest.raises(FileExistsError):
        os.mkdir(root / "d")
    write(root / "d/a", b"x" * 100)
    with pytest.raises(OSError) as failed:
        os.rmdir(root / "d")
    assert failed.value.errno == errno.ENOTEMPTY
    with pytest.raises(FileExistsError):
        open(root / "d/a", "xb")
    os.rename(root / "d/a", root / "d/b")
    os.truncate(root / "d/b", 3)
    with open(root / "d/b", "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 5000)
    assert (root / "d/b").read_bytes() == b"xxx" + b"\0" * 4997
    write(root / "d/b", b"short")
    assert os.stat(root / "d/b").st_size == 5
    os.utime(root / "d/b", (1, 1))
    assert sorted(os.listdir(root / "d")) == ["b", "e"]
    os.rmdir(root / "d/e")
    os.remove(root / "d/b")
    assert os.listdir(root / "d") == []
    assert os.statvfs(root).f_bavail > 0


def test_mapped_memory_is_read_and_written(disk):
    write(disk.directory / "a", b"x" * 10_000)
    with open(disk.directory / "a", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        assert memory[9_999:] == b"x"
        memory[:3] = b"abc"
        memory.flush()
    assert (disk.directory / "a").read_bytes()[:4] == b"abcx"


def test_after_the_cut_everything_fails_until_the_power_is_back(disk):
    write(disk.directory / "a", b"x")
    with open(disk.directory / "a", "r+b", buffering=0) as file:
        disk.cut()
        assert disk.is_off()
        for operation in (
            lambda: os.fsync(file.fileno()),
            lambda: file.write(b"y"),
            lambda: os.listdir(disk.directory),
            lambda: os.stat(disk.directory / "a"),
            lambda: os.mkdir(disk.directory / "d"),
            lambda: open(disk.directory / "b", "wb"),
        ):
            with pytest.raises(OSError) as failed:
                operation()
            assert failed.value.errno == errno.EIO
    disk.power()
    assert not disk.is_off()
    assert os.listdir(disk.directory) in ([], ["a"])


def test_the_power_can_go_in_the_middle_of_an_operation(make_disk):
    sizes = set()
    for seed in SEEDS:
        with make_disk(seed) as disk:
            write(disk.directory / "a", b"")
            sync_directory(disk.directory)
            with open(disk.directory / "a", "r+b", buffering=0) as file:
                disk.cut_after(1)
                with pytest.raises(OSError):
                    file.write(b"x" * 100_000)
            disk.power()
            sizes.add(os.stat(disk.directory / "a").st_size)
    assert 0 in sizes and any(0 < size < 100_000 for size in sizes)


def test_power_is_refused_while_a_file_is_open(disk):
    write(disk.directory / "a", b"x")
    disk.ask("close_wait", 10)
    with open(disk.directory / "a", "rb"), pytest.raises(PowerFsError, match="still open"):
        disk.power()
    disk.power()


def test_a_full_disk_answers_enospc_and_heals(disk):
    write(disk.directory / "a", b"x" * 8192)
    disk.full(True)
    with pytest.raises(OSError) as failed:
        write(disk.directory / "a", b"x" * 8193, mode="r+b")
    assert failed.value.errno == errno.ENOSPC
    with open(disk.directory / "a", "r+b") as file, pytest.raises(OSError) as failed:
        os.posix_fallocate(file.fileno(), 0, 10_000)
    assert failed.value.errno == errno.ENOSPC
    assert os.statvfs(disk.directory).f_bavail == 0
    write(disk.directory / "a", b"y" * 8192, mode="r+b")  # inside what it has
    disk.full(False)
    write(disk.directory / "a", b"x" * 8193, mode="r+b")


def test_after_a_failed_sync_later_ones_succeed_and_the_bytes_are_gone(disk):
    write(disk.directory / "a", b"old")
    sync_directory(disk.directory)
    disk.fail_sync(True)
    with pytest.raises(OSError) as failed:
        write(disk.directory / "a", b"new", mode="r+b")
    assert failed.value.errno == errno.EIO
    disk.fail_sync(False)
    with open(disk.directory / "a", "r+b") as file:
        assert file.read() == b"new"
        os.fsync(file.fileno())
    disk.power()
    assert (disk.directory / "a").read_bytes() == b"old"


@pytest.mark.parametrize("plant, lost, kept", [
    ("journal", "journal/1.log", "catalog.db"),
    ("catalog", "catalog.db-wal", "journal/1.log"),
    ("parquet", "tables/t/1.parquet", "catalog.db"),
    ("parquet", "tmp/1.unfinished", "journal/1.log"),
])  # fmt: skip
def test_a_plant_loses_what_it_names_and_no_more(make_disk, plant, lost, kept):
    def act(disk):
        disk.plant(plant)
        for directory in ("journal", "tables", "tables/t", "tmp"):
            (disk.directory / directory).mkdir()
        for name in (lost, kept):
            write(disk.directory / name, b"x" * 512)
        for directory in ("journal", "tables/t", "tables", "tmp", "."):
            sync_directory(disk.directory / directory)

    left = outcomes(make_disk, act, lambda disk: [(disk.directory / name).read_bytes() for name in (lost, kept)])
    assert {data for _, data in left} == {b"x" * 512}
    assert any(data != b"x" * 512 for data, _ in left)
    assert any(data == b"x" * 512 for data, _ in left)


def test_unknown_commands_are_refused_by_name(disk):
    with pytest.raises(PowerFsError, match="no command 'explode'"):
        disk.ask("explode")
    with pytest.raises(PowerFsError, match="no plant 'tree'"):
        disk.plant("tree")


def test_what_was_asked_is_counted_by_kind_of_file(disk):
    (disk.directory / "journal").mkdir()
    for number in (17, 18):
        write(disk.directory / f"journal/spare-{number}.log", b"x" * 100)
        os.rename(disk.directory / f"journal/spare-{number}.log", disk.directory / f"journal/{number:020}.log")
    sync_directory(disk.directory / "journal")
    stats = disk.stats()
    assert stats["rename journal/spare-#.log journal/#.log"] == 2
    assert stats["sync journal/spare-#.log"] == 2
    assert stats["bytes journal/spare-#.log"] == 200
    assert stats["sync_directory journal/"] == 1


def test_it_unmounts_when_its_owner_is_gone(disk):
    disk.popen.stdin.close()
    assert disk.popen.wait(10) == 0
    assert not os.path.ismount(disk.directory)


def test_a_killed_one_is_unmounted_by_its_owner(disk):
    disk.popen.kill()
    disk.popen.wait(10)
    disk.close()
    assert os.listdir(disk.directory) == []


def test_without_its_program_it_says_what_to_do(tmp_path):
    with pytest.raises(PowerFsError, match="--target power_fs"):
        PowerFs(tmp_path, program=tmp_path / "none")
