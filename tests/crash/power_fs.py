"""The file system that loses power (tests/fault/power_fs.cc), mounted for as long as it is needed."""

import json
import os
import pathlib
import select
import subprocess

from e2e.server import binary

ANSWER_S = 120  # also on a disk that others keep busy


class PowerFsError(RuntimeError):
    """The disk itself does not work, which says nothing about what runs on it."""


class PowerFs:
    """Its mount point is a directory that exists and is empty."""

    def __init__(self, directory, seed=1, program=None):
        self.directory = pathlib.Path(directory)
        program = program or binary().parent / "power_fs"
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise PowerFsError(
                "/dev/fuse is missing or not allowed: load the module `fuse`; give a container this device and CAP_SYS_ADMIN"
            )
        if not program.exists():
            raise PowerFsError(f"{program} is not built: cmake --build --preset dev --target power_fs")
        self.popen = subprocess.Popen(
            [program, str(directory), "--seed", str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True,
        )  # fmt: skip
        try:
            self._answer("the mount")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _answer(self, what):
        if not select.select([self.popen.stdout], [], [], ANSWER_S)[0]:
            raise PowerFsError(f"power_fs: no answer to {what} within {ANSWER_S} s")
        line = self.popen.stdout.readline().decode().strip()
        verdict, _, rest = line.partition(" ")
        if verdict != "ok":
            raise PowerFsError(f"power_fs: {what}: {line or 'it ended'}")
        return rest

    def ask(self, *words):
        line = " ".join(map(str, words))
        self.popen.stdin.write(line.encode() + b"\n")
        return self._answer(line)

    def plant(self, name):
        """Syncs of these are ignored from now on. Nobody may have a file open."""
        self.ask("plant", name)

    def cut(self):
        """The power goes. What was answered before is answered."""
        self.ask("cut")

    def cut_after(self, operations):
        """The power goes in the middle of a coming operation that changes something."""
        self.ask("cut_after", operations)

    def stop_at(self, step, when, number=1):
        """It stops `before` or `after` the so manieth coming operation of that step (tests/fault/power_steps.h)."""
        self.ask("stop_at", step, when, number)

    def stop(self):
        """Now: nothing on it changes any more, and nothing that changes something is answered."""
        self.ask("stop")

    def release(self):
        """What waits is answered, so that a process that was killed can end."""
        self.ask("release")

    def kill(self):
        """After it has stopped, and its users were killed: it works again, and has all that was written."""
        self.ask("kill")

    def fail_sync(self, is_on):
        self.ask("fail_sync", "on" if is_on else "off")

    def full(self, is_on):
        self.ask("full", "on" if is_on else "off")

    def is_off(self):
        """By a cut, or stopped."""
        return self.ask("state") == "off"

    def power(self):
        """Up again, without what the cut took: how much that was. Nobody may have a file open."""
        return json.loads(self.ask("power"))

    def stats(self):
        """Operation and kind of file → how often, so far."""
        return json.loads(self.ask("stats"))

    def close(self):
        """Unmounts. Also when it does not answer any more."""
        self.popen.stdin.close()  # it ends at the end of its input
        try:
            self.popen.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        finally:
            self.popen.stdout.close()
            if os.path.ismount(self.directory) or _is_dead(self.directory):
                subprocess.run(["fusermount3", "-u", "-z", self.directory], check=False)


def _is_dead(directory):
    """A mount whose process was killed answers ENOTCONN to everything, so that ismount() says no."""
    try:
        os.stat(directory)
    except OSError:
        return True
    return False
