"""Files that are replaced as a whole: every failed write undone, simulated and real."""

import errno
import os
import resource
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tinycnn import storage
from tinycnn.storage import replace, save_arrays, write_text


class TestReplace:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "folder" / "file.txt"
        path.parent.mkdir()
        path.write_text("old")
        return path

    @pytest.mark.parametrize("where", ["write", "fsync", "rename"])
    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
    def test_a_failure_leaves_the_old_file_and_nothing_else(self, path, monkeypatch, where, error):
        def fail(*arguments):
            raise error

        def write(temporary):
            temporary.write_text("half")
            if where == "write":
                fail()

        if where == "fsync":
            monkeypatch.setattr(os, "fsync", fail)
        if where == "rename":
            monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(type(error)):
            replace(path, write)
        assert path.read_text() == "old"
        assert list(path.parent.iterdir()) == [path]

    def test_the_old_file_stays_until_the_new_one_is_on_the_disk(self, path, monkeypatch):
        steps = []
        flush = os.fsync

        def fsync(descriptor):
            name = os.readlink(f"/proc/self/fd/{descriptor}")
            steps.append((os.path.basename(name), path.read_text()))
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        write_text(path, "new")
        (temporary, first), (folder, second) = steps
        assert temporary.endswith(storage.PARTIAL)
        assert (first, folder, second) == ("old", "folder", "new")

    def test_a_reader_sees_the_old_file_while_the_new_one_is_written(self, path):
        def write(temporary):
            temporary.write_text("half")
            assert path.read_text() == "old"
            assert temporary.parent == path.parent, "a rename from another disk is no rename"
            temporary.write_text("new")

        replace(path, write)
        assert path.read_text() == "new"

    def test_no_folder_to_write_in(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            write_text(tmp_path / "none" / "file.txt", "text")
        (tmp_path / "file").write_text("text")
        with pytest.raises(NotADirectoryError):
            write_text(tmp_path / "file" / "file.txt", "text")
        (tmp_path / "taken").mkdir()
        with pytest.raises(IsADirectoryError):
            write_text(tmp_path / "taken", "text")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]

    @pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
    def test_files_have_the_mode_that_the_user_gives_new_files(self, tmp_path, mask):
        before = os.umask(mask)
        try:
            save_arrays(tmp_path / "a.safetensors", {"a": np.zeros(3)}, {})
            write_text(tmp_path / "a.txt", "text")
        finally:
            os.umask(before)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        assert modes == {"a.safetensors": 0o666 & ~mask, "a.txt": 0o666 & ~mask}

    def test_a_kill_leaves_one_file_that_is_known_to_be_unfinished(self, path):
        script = f"""
            import os, signal, numpy as np
            from pathlib import Path
            from tinycnn.storage import save_arrays
            os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
            save_arrays(Path({str(path)!r}), {{"a": np.zeros(1000)}}, {{}})
        """
        result = run(script)
        assert result.returncode == -9
        assert path.read_text() == "old"
        (leftover,) = set(path.parent.iterdir()) - {path}
        assert leftover.name.startswith(".file.txt.")
        assert leftover.name.endswith(storage.PARTIAL)


def run(script, **options):
    code = textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options)


class TestDiskFull:
    """Where the system itself refuses the bytes: nothing is simulated."""

    def fill(self, folder):
        """Save a small file and then one that does not fit."""
        path = folder / "a.safetensors"
        save_arrays(path, {"a": np.arange(3)}, {})
        before = path.read_bytes()
        with pytest.raises(OSError, match=r"No space|too large") as caught:
            save_arrays(path, {"a": np.arange(50_000)}, {})
        assert path.read_bytes() == before
        assert list(folder.iterdir()) == [path]
        return caught.value

    def test_a_full_disk(self, tmp_path):
        if os.geteuid() != 0 or not shutil.which("mount"):
            pytest.skip("only root can mount a small disk")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True)
        if mounted.returncode:
            pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
        try:
            error = self.fill(tmp_path)
        finally:
            subprocess.run(["umount", tmp_path], check=True)
        assert error.errno == errno.ENOSPC
        assert error.strerror

    def test_a_limit_of_the_size_of_files(self, tmp_path):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))  # Python ignores SIGXFSZ: the write fails
        try:
            error = self.fill(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert error.errno == errno.EFBIG
