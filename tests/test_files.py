import errno
import io
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from formats import npy

from mnist_nn import load_model, save_model
from mnist_nn.files import UnreadableError, read_arrays, read_bytes, replacing
from mnist_nn.network import init_params

resource = pytest.importorskip("resource", reason="Windows has neither pipes nor these limits")
MOST = 10**6


def write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)


# Written whole or not at all


def test_a_file_keeps_its_mode_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write(tmp_path / "new", b"1")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    for mode in (0o600, 0o664, 0o444):
        (tmp_path / "new").chmod(mode)
        write(tmp_path / "new", b"2")
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link, target = tmp_path / "link", tmp_path / "far" / "target"
    link.symlink_to("far/target")
    for content in (b"1", b"2"):  # the first makes what the link promises
        write(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["far", "link", "target"]


@pytest.mark.parametrize("place", ["folder", "pipe", "/dev/null"])
def test_only_a_file_is_replaced(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a folder, a pipe or a device"):
        write(tmp_path / place, b"1")
    assert not (tmp_path / place).is_file()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_private_file_is_private_while_it_is_written(tmp_path: Path) -> None:
    write(tmp_path / "file", b"1")
    (tmp_path / "file").chmod(0o600)
    with replacing(tmp_path / "file") as file:
        file.write(b"2")
        modes = {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes == {0o600}


def test_a_link_in_a_loop_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        write(tmp_path / "a", b"1")
    assert (tmp_path / "a").is_symlink()


def test_only_what_was_abandoned_is_removed(tmp_path: Path) -> None:
    mine = [".file.my backup.partial", ".file.0123456789abcdef.partial.gz", ".other.partial"]
    for name in mine:
        (tmp_path / name).write_bytes(b"mine")
    os.mkfifo(tmp_path / ".file.0123456789abcdef.partial")  # which would be waited for
    (tmp_path / ".file.fedcba9876543210.partial").write_bytes(b"abandoned")
    write(tmp_path / "file", b"1")
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {*mine, ".file.0123456789abcdef.partial", "file"}


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255), b"1")
    assert [len(file.name) for file in tmp_path.iterdir()] == [255]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The kernel refuses every byte above a limit, wherever in the file that is."""
    network = init_params([784, 20, 10], rng=0)
    path = tmp_path / "model.npz"
    save_model(path, network)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for limit in [*range(0, len(before), 4321), len(before) - 1]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
            for name in (path, tmp_path / "new.npz"):
                with pytest.raises(OSError, match="is as it was") as caught:
                    save_model(name, network)
                assert str(name) in str(caught.value)
                assert caught.value.errno == errno.EFBIG
            assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]
            assert path.read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_small_disk_that_is_full(tmp_path: Path) -> None:
    """Two models do not fit, so the old one stays."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this container may not mount a disk")
    try:
        network = init_params([784, 20, 10], rng=0)
        save_model(tmp_path / "model.npz", network)
        with pytest.raises(OSError, match="No space left") as caught:
            save_model(tmp_path / "model.npz", network)
        assert caught.value.errno == errno.ENOSPC
        assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]
        assert np.array_equal(load_model(tmp_path / "model.npz").w[0], network.w[0])
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
def test_an_error_at_each_step_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write(tmp_path / "file", b"old")
    owner = {"fsync": os, "replace": Path, "open": os}.get(call)
    if owner:
        monkeypatch.setattr(owner, call, fail)

    def attempt() -> None:
        with replacing(tmp_path / "file") as file:
            file.write(b"ne")
            if call == "write":
                fail()

    with pytest.raises(OSError, match=r"file could not be written \(No space left"):
        attempt()
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


WRITER = """
import sys
from pathlib import Path
from mnist_nn.files import replacing
print("ready", flush=True)
while True:
    for letter in b"ab":
        with replacing(Path(sys.argv[1])) as file:
            for _ in range(50):
                file.write(bytes([letter]) * 20_000)
                file.flush()
"""


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Write a file again and again in another process, and kill it in the end."""
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=-1) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            yield writer
        finally:
            writer.kill()


def kill_writers(path: Path, times: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(times):
        with writing(path):
            time.sleep(rng.uniform(0, 0.03))
        if path.exists():
            content = path.read_bytes()
            assert content in (b"a" * 10**6, b"b" * 10**6)


@pytest.mark.parametrize(
    "times", [pytest.param(5, marks=pytest.mark.long), pytest.param(50, marks=pytest.mark.thorough)]
)
def test_killed_writers_leave_one_whole_file_and_no_litter(tmp_path: Path, times: int) -> None:
    path = tmp_path / "file"
    kill_writers(path, times)
    # One that is still being written, by a process that lives, is no litter.
    with writing(path) as writer:
        while len(list(tmp_path.iterdir())) < 2:
            pass
        os.kill(writer.pid, signal.SIGSTOP)
        write(path, b"mine")
        paused = set(tmp_path.iterdir()) - {path}
        assert len(paused) <= 1
        os.kill(writer.pid, signal.SIGCONT)
        time.sleep(0.2)
        assert writer.poll() is None  # its file was there when it moved it
    write(path, b"the last")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"the last"


@pytest.mark.long
def test_threads_and_processes_that_write_to_one_path(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, b"a" * 10**6)
    damaged: list[int] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run(work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    def save() -> None:
        for letter in (b"c", b"d") * 25:
            write(path, letter * 10**6)

    def look() -> None:
        while not done.is_set():
            content = path.read_bytes()
            if content != content[:1] * 10**6:
                damaged.append(len(content))

    with writing(path) as writer:
        reader, *writers = run(look), run(save), run(save)
        for thread in writers:
            thread.join()
        assert writer.poll() is None
    done.set()
    reader.join()
    write(path, b"")
    assert (errors, damaged) == ([], [])
    assert list(tmp_path.iterdir()) == [path]


def test_the_folder_is_flushed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(stat.S_ISDIR(os.fstat(file)[0])))
    write(tmp_path / "file", b"1")
    assert flushed == [False, True]


# Looked at before it is read


def archive(*members: tuple[str, bytes], **options: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", **options) as archive:  # type: ignore[arg-type]
        warnings.simplefilter("ignore")  # of members with one name
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


A = np.arange(6.0).reshape(2, 3)


def header(shape: str, descr: str = "<f8", size: int = 118) -> bytes:
    """Write a header of the npy format by hand."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(size - 1)
    return b"\x93NUMPY\1\0" + struct.pack("<H", size) + text.encode() + b"\n"


def lying(size: int, content: bytes) -> bytes:
    """State another size than a member has."""
    packed = zlib.compress(content, level=1, wbits=-15)
    name, crc = b"a.npy", zlib.crc32(content)
    fields = struct.pack("<5H3L2H", 20, 0, 8, 0, 0, crc, len(packed), size, len(name), 0)
    local = b"PK\3\4" + fields + name + packed
    central = b"PK\1\2\x14\0" + fields + bytes(14) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back(tmp_path: Path, compressed: bool) -> None:
    arrays = {
        "a": A,
        "t": np.asfortranarray(A),
        "half": A.astype("f2"),
        "n": np.arange(4, dtype="u1"),
        "text": np.array("Grüße"),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(3),
    }
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    came = read_arrays(tmp_path / "a.npz", MOST)
    assert came.keys() == arrays.keys()
    for name, array in arrays.items():
        assert came[name].dtype == array.dtype
        assert came[name].flags.f_contiguous == array.flags.f_contiguous
        assert np.array_equal(came[name], array)
        assert came[name].flags.writeable
    assert [*read_arrays(tmp_path / "a.npz", MOST, ["n", "a"])] == ["n", "a"]


BAD = {  # made when needed: some take long
    "duplicate": (lambda: archive(("a.npy", npy(A)), ("a.npy", npy(A))), "one name"),
    "duplicate-suffix": (lambda: archive(("a.npy", npy(A)), ("a", npy(A))), "one name"),
    "comment": (lambda: archive(("a.npy", npy(A)))[:-2] + b"\1\0!", "not an npz archive"),
    "before": (lambda: b"#!/bin/sh\n" + archive(("a.npy", npy(A))), "not an npz archive"),
    "many": (lambda: archive(*((f"{i}", b"") for i in range(25_000))), "too many"),
    "bz2": (lambda: archive(("a.npy", npy(A)), compression=zipfile.ZIP_BZIP2), "unusual way"),
    "lzma": (lambda: archive(("a.npy", npy(A)), compression=zipfile.ZIP_LZMA), "unusual way"),
    "bomb": (
        lambda: archive(("a.npy", header("(10000000,)") + bytes(8 * 10**7)), compression=8),
        "80,000,128 bytes, more than 1,000,000",
    ),
    "lying-bomb": (lambda: lying(10**5, header("(12484,)") + bytes(3 * 10**8)), "damaged"),
    "lying-length": (lambda: lying(10**5, header("(12484,)") + bytes(10)), "cut off"),
    "promise": (lambda: archive(("a.npy", header("(1099511627776,)"))), "longer or shorter"),
    "overflow": (
        lambda: archive(("a.npy", header("(4294967296, 4294967296)"))),
        "longer or shorter",
    ),
    "negative": (lambda: archive(("a.npy", header("(-1, -3)") + bytes(24))), "damaged"),
    "longer": (lambda: archive(("a.npy", npy(A) + b"!")), "longer or shorter"),
    "pickle": (lambda: archive(("a.npy", header("(1,)", "|O") + b"cos\nsystem\n")), "pickle"),
    "structured": (lambda: archive(("a.npy", header("(1,)", "V8") + bytes(8))), "something else"),
    "complex": (lambda: archive(("a.npy", header("(1,)", "<c8") + bytes(8))), "something else"),
    "nested": (lambda: archive(("a.npy", header("(" * 5000 + ")" * 5000, size=20_000))), "damaged"),
    "characters": (
        lambda: archive(("a.npy", header("()", "<U1") + b"\xff" * 4)),
        "that there are not",
    ),
    "version": (lambda: archive(("a.npy", npy(A).replace(b"Y\1\0", b"Y\2\0"))), "unusual header"),
    "folder": (lambda: archive(("../a.npy", npy(A))), "no a"),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", BAD)
def test_archives_that_are_refused_in_time_and_memory(tmp_path: Path, kind: str) -> None:
    make, said = BAD[kind]
    (tmp_path / "a.npz").write_bytes(make())
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(UnreadableError) as caught:
        read_arrays(tmp_path / "a.npz", MOST, ["a"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said in str(caught.value)
    assert time.perf_counter() - start < 1
    assert peak < 2e8


def test_a_checksum_that_differs(tmp_path: Path) -> None:
    content = archive(("a.npy", npy(A)))
    (tmp_path / "a.npz").write_bytes(content.replace(A.tobytes(), (A + 1).tobytes()))
    with pytest.raises(UnreadableError, match="damaged"):
        read_arrays(tmp_path / "a.npz", MOST)


READERS = [lambda path: read_arrays(path, MOST), lambda path: read_bytes(path, MOST)]


@pytest.mark.parametrize("read", READERS, ids=["arrays", "bytes"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path, said in [
        (tmp_path / "pipe", "pipe"),
        (tmp_path / "zero", "device"),
        (Path("/dev/zero"), "device"),
        (tmp_path, "folder"),
        (tmp_path / "none", "there is none"),
        (tmp_path / "loop", "symbolic links"),
        (tmp_path / ("n" * 5000), "too long"),
        (tmp_path / "n\0", "no file can have that name"),
        (tmp_path / "\ud800", "no file can have that name"),
    ]:
        with pytest.raises(UnreadableError, match=said):
            read(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UnreadableError, match="more than 1,000,000"):
        read_bytes(tmp_path / "large", MOST)
    with pytest.raises(UnreadableError, match="not an npz archive"):
        read_arrays(tmp_path / "large", MOST)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "file").chmod(0)
    for folder in [tmp_path, *tmp_path.parents[:3]]:
        folder.chmod(0o755)
    try:
        os.seteuid(65534)
        with pytest.raises(UnreadableError, match="Permission denied"):
            read_bytes(tmp_path / "file", MOST)
        with pytest.raises(OSError, match="Permission denied"):
            write(tmp_path / "new", b"1")
    finally:
        os.seteuid(0)
