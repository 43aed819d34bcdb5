"""A disk whose power can be cut: two file systems on loop devices, one on the other.

    what a server writes -> upper ext4 -> loop device -> the file "inner" on the lower ext4
                                                      -> loop device -> a file in memory

What a server has written and not synced is only in the machine's memory: in the upper file
system's cache, and for names and sizes in the cache of the upper device. A cut takes it.

What the upper device was told is in `inner`, for whoever reads that file, whether the lower file
system has it on its own device or not: this is all that a disk was ever sent, also what is only in
the disk's own cache. Frozen, the lower file system takes nothing in, so that `inner` can be copied
as it was at one moment, also in the midst of a sync.

What the upper device was told to keep (a flush, for which its driver syncs `inner`) is in the file
in memory; what it was told since mostly is not. This is a disk that forgets its own cache.

Nothing is written by itself meanwhile: commits come every ten minutes, and the system writes back
what is older than 30 seconds. A run that took longer would lose less, never more.

All of it lies in a mount and a process namespace of its own (`be_alone`). When the program ends,
also by a kill, its processes, mounts and loop devices end with it: only a kill in the very moment
of a copy may leave a frozen disk behind that nobody can reach.
"""

from __future__ import annotations

import fcntl
import gc
import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

#: Room for a server and a run; these files have holes, and take no more than is written.
_OUTER, _INNER = "900M", "700M"
#: Without the work that a new file system does in the background.
_FORMAT = (
    "mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=16",
    "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
)  # fmt: skip
_OPTIONS = "loop,commit=600"
#: FIFREEZE and FITHAW of linux/fs.h, what `fsfreeze` says.
_FREEZE, _THAW = 0xC0045877, 0xC0045878
_UNSHARE = ("unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc")
#: Told to a program that is alone.
_ALONE = "GONGYI_BANK_TEST_ALONE"
#: Where its own memory is mounted, for nobody else to see; servers leave shared memory there too.
_MEMORY = Path("/dev/shm")
QUIET_SECONDS_MAX = 20.0
#: Why a power cut is left out.
NO_LOOP_DEVICE = (
    "a power cut on a loop device wants root, unshare, mkfs.ext4, fsfreeze and mount -o loop"
)


class Disk:
    """Such a disk in a folder; one image is mounted at a time."""

    def __init__(self, home: Path) -> None:
        self._lower, self._upper = home / "lower", home / "upper"
        self._lower.mkdir()
        self._upper.mkdir()
        #: Where the upper file system is mounted.
        self.place = self._upper

    def format(self, image: Path) -> None:
        """A new image of both file systems."""
        _make(image, _OUTER)
        with _mounted(image, self._lower):
            _make(self._lower / "inner", _INNER)

    @contextmanager
    def mounted(self, image: Path) -> Iterator[None]:
        """The image is at `place` while the block lasts; what is in its journals is done first."""
        with _mounted(image, self._lower), self.mounted_inner(self._lower / "inner"):
            yield

    @contextmanager
    def mounted_inner(self, inner: Path) -> Iterator[None]:
        """The same for a copy of `inner` alone."""
        with _mounted(inner, self._upper):
            yield

    def copy_what_was_told(self, copy: Path) -> None:
        """A copy of `inner`: what the device was told until now, whoever is writing."""
        lower = os.open(self._lower, os.O_RDONLY)
        try:
            # At once: who was answered a moment before must find everything in the copy.
            fcntl.ioctl(lower, _FREEZE, 0)
            try:
                copied(self._lower / "inner", copy)
            finally:
                fcntl.ioctl(lower, _THAW, 0)
        finally:
            os.close(lower)

    def copy_what_was_kept(self, image: Path, copy: Path) -> None:
        """A copy of the image: what the device was told to keep. Nobody may write meanwhile.

        Raises TimeoutError where the devices do not come to rest.
        """
        give_up = time.monotonic() + QUIET_SECONDS_MAX
        while time.monotonic() < give_up:
            before = self._traffic()
            copied(image, copy)
            if self._traffic() == before and not self._under_way():
                return
        raise TimeoutError("the loop devices do not come to rest")

    def _traffic(self) -> list[str]:
        """All that both devices have ever read and written, in figures."""
        return [(device / "stat").read_text() for device in self._devices()]

    def _under_way(self) -> int:
        figures = [(device / "inflight").read_text().split() for device in self._devices()]
        return sum(int(figure) for row in figures for figure in row)

    def _devices(self) -> list[Path]:
        numbers = [place.stat().st_dev for place in (self._lower, self._upper)]
        return [Path(f"/sys/dev/block/{os.major(n)}:{os.minor(n)}") for n in numbers]


def copied(image: Path, copy: Path) -> None:
    """Copy an image that nobody writes to; holes stay holes."""
    _run("cp", "--sparse=always", str(image), str(copy))


def _make(image: Path, size: str) -> None:
    _run("truncate", "--size", size, str(image))
    _run(*_FORMAT, str(image))


@contextmanager
def _mounted(image: Path, place: Path) -> Iterator[None]:
    _run("mount", "-t", "ext4", "-o", _OPTIONS, str(image), str(place))
    try:
        yield
    finally:
        _unmount(place)


def _unmount(place: Path) -> None:
    """The loop device goes with it. Somebody who was killed just now may hold it for a moment."""
    give_up = time.monotonic() + QUIET_SECONDS_MAX
    while True:
        try:
            return _run("umount", str(place))
        except OSError as error:
            if time.monotonic() > give_up:
                raise OSError(f"{error}; held by {_held_by(place)}") from None
        gc.collect()  # a connection of our own may hang in a pool that was given up
        time.sleep(0.05)


def _held_by(place: Path) -> list[str]:
    """Which processes have what open there."""
    held = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # gone meanwhile
            target = str(link.readlink())
            if target.startswith(f"{place}/"):
                held.append(f"{link.parts[2]} {target}")
    return held


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


# ---------------------------------------------------------------- alone with one's mounts


def is_alone() -> bool:
    """Whether this program is the first one in namespaces of its own."""
    return _ALONE in os.environ


def be_alone(module: str, words: list[str]) -> NoReturn:
    """Go on as this module in namespaces of one's own."""
    command = (*_UNSHARE, sys.executable, "-m", module, *words)
    os.execvpe(command[0], command, os.environ | {_ALONE: "yes"})


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory for a program that is alone."""
    _run("mount", "-t", "tmpfs", "-o", "mode=1777", "none", str(_MEMORY))
    tempfile.tempdir = str(_MEMORY)  # so that what is put down on the way goes with it
    try:
        yield _MEMORY
    finally:
        _run("umount", "--lazy", str(_MEMORY))


#: All that is wanted, once and small.
_TRIED = f"""
mount -t tmpfs none {_MEMORY} && cd {_MEMORY} && mkdir x && truncate --size 8M i &&
mkfs.ext4 -q -F i && mount -o loop i x && fsfreeze --freeze x && fsfreeze --unfreeze x && umount x
"""


def may_cut() -> bool:
    """Whether this machine lets us."""
    wanted = ("unshare", "mkfs.ext4", "fsfreeze", "mount", "umount")
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in wanted):
        return False
    tried = subprocess.run([*_UNSHARE, "sh", "-c", _TRIED], capture_output=True, check=False)
    return tried.returncode == 0


# ---------------------------------------------------------------- what such a disk holds


def shown(home: Path) -> dict[str, list[bool]]:
    """What is there after a cut of what was only written, sent to the device, and synced.

    By file, whether it is in what the device was told, and in what it was told to keep.
    """
    disk, image, told, kept = Disk(home), home / "image", home / "told", home / "kept"
    names = ("written", "sent", "synced")
    disk.format(image)
    with disk.mounted(image):
        for name in names:  # their places on the device are given out before
            (disk.place / name).write_bytes(bytes(mmap.PAGESIZE))
    with disk.mounted(image):
        _write(disk.place / "synced", os.O_SYNC)
        _write(disk.place / "sent", os.O_DIRECT)
        _write(disk.place / "written", 0)
        disk.copy_what_was_kept(image, kept)  # first: to freeze is to keep
        disk.copy_what_was_told(told)
    found: dict[str, list[bool]] = {name: [] for name in names}
    for mounting, copy in ((disk.mounted_inner, told), (disk.mounted, kept)):
        with mounting(copy):
            for name in names:
                found[name].append(any((disk.place / name).read_bytes()))
    return found


def _write(path: Path, how: int) -> None:
    with mmap.mmap(-1, mmap.PAGESIZE) as page:  # what is sent past the cache begins at a page
        page.write(b"x" * mmap.PAGESIZE)
        file = os.open(path, os.O_WRONLY | how)
        try:
            os.write(file, page)
        finally:
            os.close(file)


if __name__ == "__main__":
    if not is_alone():
        be_alone("tests.faults.loop_disk", [])
    with memory() as place:
        print(json.dumps(shown(place)))
