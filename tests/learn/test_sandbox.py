"""Hostile code, really run: whatever it tries must be refused, and nothing of it may be left."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest

import tinycnn.tutorials
from tests.cases import LONG
from tests.rights import open_folder
from tinycnn.learn import sandbox, sandbox_landlock
from tinycnn.learn.sandbox import Limits, Outcome, SandboxError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and namespaces are of Linux")

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [Path(sandbox.__file__).with_name(f"sandbox_{name}.py") for name in ("launcher", "landlock", "mounts")]
INSIDE = "TINYCNN_SANDBOX_TESTS_AS"
QUICK = Limits(seconds=10, processes=8)
ATTEMPT = """
import ctypes, os, sys, time

def attempt(what, action):
    try:
        print(what, "succeeded:", action())
    except OSError as error:
        print(what, "refused:", error.strerror)
"""


@cache
def why_not(namespaces):
    return sandbox._trial(namespaces)


@pytest.fixture(params=[True, False], ids=["namespaces", "landlock_alone"])
def mode(request, monkeypatch):
    """Both kinds of sandbox, where this user on this machine can have them."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    monkeypatch.setattr(sandbox, "_mode", lambda user: (request.param, None))
    return request.param


class Place:
    """Folders as a grader has them: a submission, its output, and what belongs to others."""

    def __init__(self, top: Path):
        self.top, self.folder, self.output, self.others = top, top / "submission", top / "output", top / "others"
        for folder in (self.folder, self.output, self.others):
            folder.mkdir()
        (self.others / "secret").write_text("a secret\n")
        (self.others / "secret").chmod(0o666)  # so that it is not its mode that protects it
        self.others.chmod(0o777)
        self.folder.chmod(0o755)

    def run(self, code: str, *words: object, limits: Limits = QUICK, readable: tuple[Path, ...] = ()) -> Outcome:
        """Run code in the sandbox, with words as sys.argv[1:]."""
        file = self.folder / "attack.py"
        file.write_text(ATTEMPT + dedent(code))
        command = [sys.executable, "-I", str(file), *map(str, words)]
        return sandbox.run(command, folder=self.folder, output=self.output, limits=limits, readable=readable)

    def left(self) -> list[str]:
        """Processes that still run the submission."""
        found = []
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if str(self.folder) in (process / "cmdline").read_text():
                    found.append(process.name)
        return found


@pytest.fixture
def place(mode):
    with open_folder() as top:
        yield Place(top)


def refused(outcome, attempts):
    """All attempts were made, and none succeeded."""
    lines = outcome.printed.splitlines()
    assert (outcome.ending, len(lines)) == ("done", attempts), outcome
    assert all(" refused: " in line for line in lines), outcome.printed
    return True


class TestPlainWork:
    def test_numpy_and_a_file_in_the_output(self, place):
        outcome = place.run(
            """
            import numpy as np
            os.mkdir("below")
            np.savez("below/results.npz", y=np.arange(3.0) @ np.ones((3, 2)))
            print("said")
            print("warned", file=sys.stderr)
            """
        )
        assert outcome.ending == "done", outcome
        assert (outcome.status, outcome.printed, outcome.errors) == (0, "said\n", "warned\n")
        assert [path.name for path in place.output.rglob("*")] == ["below", "results.npz"]
        assert outcome.seconds < 5

    def test_the_library_can_be_imported(self, place):
        outcome = place.run("import tinycnn.kernels.numpy, tinycnn.learn\nprint(tinycnn.__file__)")
        assert outcome.printed.strip() == tinycnn.__file__, outcome

    def test_the_library_of_a_clone_that_is_not_installed(self, place):
        if not (ROOT / "setup.cfg").is_file():
            pytest.skip("not a clone")
        code = """
            sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
            sys.path.insert(0, sys.argv[1])
            import tinycnn.kernels.numpy
            print(tinycnn.kernels.numpy.__file__)
            """
        assert place.run(code, ROOT).printed.startswith(str(ROOT)), "not found"

    def test_what_it_may_read_it_reads(self, place):
        (place.folder / "mine").write_text("mine")
        files = (place.folder / "mine", place.others / "secret")
        outcome = place.run("print(*(open(path).read() for path in sys.argv[1:]))", *files, readable=files[1:])
        assert outcome.printed == "mine a secret\n\n", outcome

    def test_it_sees_an_environment_of_its_own_and_no_input(self, place, monkeypatch):
        monkeypatch.setenv("GRADER_TOKEN", "1234")
        outcome = place.run("print(*sorted(os.environ), os.environ['HOME'], os.getcwd(), repr(sys.stdin.read()))")
        words = outcome.printed.split()
        assert set(words[:-3]) - {"LC_CTYPE"} == {*sandbox.ENVIRONMENT, "HOME", "TMPDIR"}
        assert words[-3:] == [str(place.output), str(place.output), "''"]

    def test_a_submission_that_only_the_caller_may_read(self, place, mode):
        if not mode:
            pytest.skip("without namespaces it is read where it lies")
        place.folder.chmod(0o700)
        assert place.run("print('read')").printed == "read\n"

    def test_how_it_ended(self, place):
        assert place.run("sys.exit(3)").status == 3
        outcome = place.run("os.abort()")
        assert (outcome.ending, outcome.status) == ("crash", -signal.SIGABRT)

    def test_an_output_folder_that_is_not_empty_is_refused(self, place):
        (place.output / "results.npz").touch()
        with pytest.raises(ValueError, match="not empty"):
            place.run("print()")

    def test_a_command_that_is_not_there(self, place):
        with pytest.raises(SandboxError, match="could not be started"):
            sandbox.run(["/usr/bin/not-there"], folder=place.folder, output=place.output)


class TestFiles:
    def test_others_files_cannot_be_read(self, place):
        caller = f"/proc/{os.getpid()}"
        paths = [place.others / "secret", "/etc/passwd", "/proc/1/environ", "/proc/self/status"]
        paths += [f"{caller}/environ", f"{caller}/cmdline", f"{caller}/fd/0", f"{caller}/root/etc/passwd", __file__]
        code = """
            for path in sys.argv[1:]:
                attempt(path, lambda: open(path).read())
            for folder in ("/home", "/root", "/tmp", "/proc", "/etc", "/var", os.path.dirname(sys.argv[1])):
                attempt(folder, lambda: os.listdir(folder))
            attempt("memory", lambda: os.open(sys.argv[5].replace("environ", "mem"), os.O_RDWR))
            """
        outcome = place.run(code, *paths)
        listed = [line for line in outcome.printed.splitlines() if "succeeded" in line]
        # In a root of its own the way to the output is there, and holds nothing else.
        names = {Path(word).name for line in listed for word in line.partition(": ")[2].strip("[]").split(", ")}
        shown = [place.folder, place.output, sys.prefix, sys.base_prefix, "/etc/alternatives", "/etc/ld.so.cache"]
        assert {name.strip("'") for name in names} <= {part for path in shown for part in Path(path).parts}
        assert all(line.split()[0].startswith(("/tmp", "/root", "/home", "/etc", "/var")) for line in listed)
        assert outcome.printed.count("refused") + len(listed) == 17
        assert outcome.printed.count("secret refused") == 1, outcome.printed

    def test_the_solutions_cannot_be_read(self, place):
        exercises = Path(tinycnn.tutorials.__file__).parent / "exercises"
        files = [Path(tinycnn.tutorials.__file__), *sorted(exercises.rglob("*.py"))[:2]]
        assert refused(
            place.run("for path in sys.argv[1:]: attempt(path, lambda: open(path).read())", *files), len(files)
        )

    def test_what_is_hidden_in_a_readable_folder(self, place, monkeypatch):
        # As the exercises are in a regular install, where they lie within the package.
        deep = place.others / "package" / "tutorials"
        (deep / "exercises").mkdir(parents=True)
        files = [deep / "exercises" / "solution", deep.parent / "beside", place.others / "secret"]
        for file in files[:2]:
            file.write_text("read")
        found = sandbox._package
        monkeypatch.setattr(sandbox, "_package", lambda name: [deep] if name == "tinycnn.tutorials" else found(name))
        code = "for path in sys.argv[1:]: attempt(os.path.basename(path), lambda: open(path).read().strip())"
        outcome = place.run(code, *files, readable=(place.others,))
        assert outcome.printed.splitlines() == [
            "solution refused: Permission denied",
            "beside succeeded: read",
            "secret succeeded: a secret",
        ]

    def test_nothing_can_be_written_but_the_output(self, place):
        target = place.others / "made"
        mine = place.folder / "mine"
        mine.write_text("mine")
        before = {path: path.stat() for path in (mine, place.folder, place.others / "secret", place.others)}
        code = """
            made, mine, secret, package = sys.argv[1:]
            attempt("make", lambda: open(made, "w"))
            attempt("make below", lambda: os.mkdir(made))
            attempt("write", lambda: open(secret, "a"))
            attempt("truncate", lambda: os.truncate(secret, 0))
            attempt("rename", lambda: os.rename(secret, "stolen"))
            attempt("remove", lambda: os.remove(secret))
            attempt("change mine", lambda: open(mine, "w"))
            attempt("remove mine", lambda: os.remove(mine))
            attempt("mode of mine", lambda: os.chmod(mine, 0o777))
            attempt("time of mine", lambda: os.utime(mine, (0, 0)))
            attempt("mode of mine when open", lambda: os.fchmod(os.open(mine, os.O_RDONLY), 0o777))
            attempt("mode of theirs", lambda: os.chmod(secret, 0o777))
            attempt("time of theirs", lambda: os.utime(secret, (0, 0)))
            attempt("add to mine", lambda: open(os.path.dirname(mine) + "/numpy.py", "w"))
            attempt("change the library", lambda: open(package, "a"))
            for folder in ("/tmp", "/var/tmp", "/dev/shm", "/usr", "/"):
                attempt(folder, lambda: open(folder + "/tinycnn-escaped", "w"))
            """
        assert refused(place.run(code, target, mine, place.others / "secret", tinycnn.__file__), 20)
        for path, old in before.items():
            new = path.stat()
            assert (new.st_mode, new.st_size) == (old.st_mode, old.st_size)
        assert mine.stat().st_mtime == before[mine].st_mtime
        assert not target.exists()

    def test_links_out_of_the_output(self, place):
        code = """
            secret = sys.argv[1]
            attempt("hard link", lambda: os.link(secret, "hard"))
            attempt("hard link to mine", lambda: os.link(__file__, "mine"))
            os.mkdir("kept")
            try:
                os.symlink(secret, "results.npz")
                os.symlink(os.path.dirname(secret), "kept/folder")
                os.mkfifo("pipe")
            except OSError:
                pass
            """
        assert refused(place.run(code, place.others / "secret"), 2)
        assert [path.name for path in place.output.rglob("*")] == ["kept"]

    def test_a_folder_that_cannot_be_removed(self, place):
        outcome = place.run(
            """
            open("secret", "w").close()
            os.mkdir("locked", 0o000)
            os.open("unreadable", os.O_CREAT, 0o000)
            for _ in range(1500):
                os.mkdir("d")
                os.chdir("d")
            """
        )
        assert outcome.ending in ("done", "files"), outcome
        assert (place.output / "unreadable").read_bytes() == b""
        shutil.rmtree(place.output)
        place.output.mkdir()

    def test_the_output_of_others_stays(self, place):
        (place.others / "results.npz").write_text("theirs")
        code = "import shutil\nshutil.rmtree(sys.argv[1], onerror=lambda *_: print('x refused: x'))"
        assert "refused" in place.run(code, place.others).printed
        assert {path.name for path in place.others.iterdir()} == {"secret", "results.npz"}


class TestNetwork:
    def test_a_listening_port_is_out_of_reach(self, place):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
            server.settimeout(0.1)
            name = f"tinycnn-{os.getpid()}"
            abstract.bind(f"\0{name}")
            abstract.listen()
            abstract.settimeout(0.1)
            path = place.others / "socket"
            with socket.socket(socket.AF_UNIX) as named:
                named.bind(str(path))
                path.chmod(0o777)
                named.listen()
                named.settimeout(0.1)
                code = """
                    import socket
                    port, abstract, path = sys.argv[1:]
                    attempt("tcp", lambda: socket.create_connection(("127.0.0.1", int(port)), 2))
                    attempt("udp", lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)))
                    attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
                    attempt("ipv6", lambda: socket.socket(socket.AF_INET6))
                    attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + abstract))
                    attempt("named", lambda: socket.socket(socket.AF_UNIX).connect(path))
                    attempt("pair", lambda: socket.socketpair(type=socket.SOCK_DGRAM)[0].connect(path))
                    attempt("host", lambda: socket.socket(40))
                    """
                assert refused(place.run(code, server.getsockname()[1], name, path), 8)
                for listening in (server, abstract, named):
                    with pytest.raises(TimeoutError):
                        listening.accept()

    def test_refused_system_calls(self, place):
        calls = {**sandbox_landlock.REFUSED, "clone with a new namespace": sandbox_landlock.CLONE}
        machine = list(sandbox_landlock.MACHINES).index(os.uname().machine)
        numbers = [call[machine] for call in calls.values()]
        outcome = place.run(
            """
            call = ctypes.CDLL(None, use_errno=True).syscall
            for number in sys.argv[1:]:
                result = call(int(number), ctypes.c_long(0x10000000), *(ctypes.c_long(0) for _ in range(5)))
                print("call refused: 1" if (result, ctypes.get_errno()) == (-1, 1) else f"call {number} succeeded")
                if result == 0 and number in ("56", "220"):
                    os._exit(0)
            """,
            *numbers,
        )
        assert refused(outcome, len(calls))


class TestProcesses:
    def test_the_caller_cannot_be_signalled_or_traced(self, place):
        code = """
            caller = int(sys.argv[1])
            library = ctypes.CDLL(None, use_errno=True)
            def trace():
                if library.ptrace(16, caller, None, None) != 0:
                    raise OSError(ctypes.get_errno(), "refused")
            def peek():
                if library.process_vm_readv(caller, None, 0, None, 0, 0) != 0:
                    raise OSError(ctypes.get_errno(), "refused")
            attempt("signal", lambda: os.kill(caller, 18))
            attempt("signal the launcher", lambda: os.kill(os.getppid(), 9) if os.getppid() > 1 else os.kill(0, 99))
            attempt("trace", trace)
            attempt("peek", peek)
            attempt("limits", lambda: __import__("resource").prlimit(caller, 7))
            attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, caller, 19))
            attempt("processors", lambda: os.sched_setaffinity(caller, {0}))
            attempt("schedule", lambda: os.sched_setscheduler(caller, os.SCHED_IDLE, os.sched_param(0)))
            """
        assert refused(place.run(code, os.getpid()), 8)

    def test_killing_everyone_kills_nobody_else(self, place):
        bystander = subprocess.Popen(["sleep", "60"])
        try:
            outcome = place.run("try: os.kill(-1, 15)\nexcept OSError: pass\nprint('x')")
            assert outcome.ending in ("done", "crash")
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()

    def test_a_daemon_ends_with_the_run(self, place):
        code = """
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.setsid()
                    for number in range(1, 32):
                        if number not in (9, 19):
                            __import__("signal").signal(number, 1)
                    os.write(os.open("daemon", os.O_CREAT | os.O_WRONLY), b"lives")
                    time.sleep(60)
                os._exit(0)
            while not os.path.exists("daemon"):
                time.sleep(0.01)
            """
        start = time.monotonic()
        assert place.run(code).ending == "done"
        assert time.monotonic() - start < 5
        assert (place.output / "daemon").read_text() in ("", "lives")
        assert not place.left()

    def test_a_fork_bomb(self, place):
        code = """
            while True:
                try:
                    os.fork()
                except OSError:
                    if not os.path.exists("full"):
                        open("full", "w").close()
            """
        outcome = place.run(code, limits=Limits(seconds=1.5, processes=8))
        assert outcome.ending == "time", outcome
        assert (place.output / "full").exists()
        assert not place.left()

    def test_runs_at_the_same_time_do_not_meet(self, place):
        found = []
        with open_folder() as top:
            places = [place, Place(top)]
            code = "print(os.getuid()); time.sleep(0.5); attempt('kill', lambda: os.kill(int(sys.argv[1]), 0))"
            runs = [
                threading.Thread(target=lambda there=there: found.append(there.run(code, os.getpid())))
                for there in places
            ]
            for started in runs:
                started.start()
            for started in runs:
                started.join()
        users = [outcome.printed.split()[0] for outcome in found]
        assert len(users) == 2
        assert len(set(users)) == (2 if os.geteuid() == 0 else 1)

    def test_no_new_rights(self, place):
        (place.folder / "id").write_bytes(Path("/usr/bin/id").read_bytes())
        (place.folder / "id").chmod(0o4755)
        outcome = place.run(
            """
            import subprocess
            print(subprocess.run([sys.argv[1], "-u"], capture_output=True, text=True).stdout.strip())
            print(subprocess.run([sys.argv[1], "-G"], capture_output=True, text=True).stdout.strip())
            print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))
            attempt("root", lambda: os.setuid(0))
            """,
            place.folder / "id",
        )
        user, groups, no_new_rights, root = outcome.printed.splitlines()
        assert user != "0"
        assert "0" not in groups.split()
        assert no_new_rights == "1"
        assert "refused" in root

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
    def test_it_ends_with_its_caller(self, place, mode, number):
        (place.folder / "attack.py").write_text("import time\nopen('started', 'w')\nprint(flush=True)\ntime.sleep(60)")
        caller = f"""
            import sys
            from pathlib import Path
            from tinycnn.learn import sandbox
            sandbox._mode = lambda user: ({mode}, None)
            folder, output = map(Path, sys.argv[1:])
            sandbox.run([sys.executable, "-I", str(folder / "attack.py")], folder=folder, output=output)
            """
        command = [sys.executable, "-c", dedent(caller), str(place.folder), str(place.output)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(place.left()) > 1)  # the caller itself, and the command
        process.send_signal(number)
        assert process.wait(10) != 0
        wait_until(lambda: not place.left())


class TestLimits:
    @pytest.mark.parametrize("code", ["while True: pass", "time.sleep(60)", "while True: os.fork() or time.sleep(9)"])
    def test_time(self, place, code):
        ignore = "import signal\nfor n in (1, 2, 15, 24): signal.signal(n, signal.SIG_IGN)\n"
        start = time.monotonic()
        outcome = place.run(ignore + code, limits=Limits(seconds=0.7, processes=4))
        assert outcome.ending in ("time", "crash" if "fork" in code else "time"), outcome
        assert time.monotonic() - start < 5
        assert not place.left()

    @pytest.mark.parametrize("first", ["", "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"])
    def test_processor_time(self, place, first):
        outcome = place.run(first + "while True: pass", limits=Limits(seconds=20, processor_seconds=1))
        assert (outcome.ending, outcome.seconds < 15) == ("time", True), outcome

    def test_memory_of_one_process(self, place):
        outcome = place.run("bytearray(10 * 1024**3)")
        assert (outcome.ending, outcome.errors.splitlines()[-1]) == ("crash", "MemoryError")

    def test_memory_of_all_processes(self, place):
        code = "[os.fork() for _ in range(2)]\nheld = b'x' * (80 << 20)\ntime.sleep(60)"
        outcome = place.run(code, limits=Limits(seconds=20, memory=200 << 20))
        assert outcome.ending == "memory", outcome
        assert not place.left()

    def test_printing_without_end(self, place):
        outcome = place.run("for _ in range(100): print('x' * (1 << 20)); print('y' * 1000, file=sys.stderr)")
        assert outcome.ending == "done"
        assert len(outcome.printed) == sandbox.KEPT
        assert len(outcome.errors) == sandbox.KEPT

    def test_a_large_file(self, place):
        code = """
            import signal
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            attempt("hole", lambda: os.truncate(os.open("hole", os.O_CREAT | os.O_WRONLY), 10 << 30))
            with open("file", "wb", buffering=0) as file:
                attempt("write", lambda: [file.write(b"x" * (1 << 20)) and os.fsync(file) for _ in range(10 << 10)])
            """
        assert refused(place.run(code, limits=Limits(file_size=4 << 20)), 2)
        assert sum(path.stat().st_size for path in place.output.iterdir()) <= 4 << 20

    def test_many_files(self, place, mode):
        limits = Limits(seconds=20, file_size=4 << 20, written=16 << 20)
        code = """
            for number in range(100):
                attempt("write", lambda: open(str(number), "wb", buffering=0).write(bytes(2 << 20)))
            time.sleep(0.5)
            """
        outcome = place.run(code, limits=limits)
        assert outcome.ending == "files" if not mode else "refused" in outcome.printed, outcome
        if mode:
            assert sum(path.stat().st_size for path in place.output.iterdir()) <= 16 << 20

    def test_files_full_of_holes(self, place, mode):
        if not mode:
            pytest.skip("without namespaces holes stay holes")
        code = "for n in range(100): os.truncate(os.open(str(n), os.O_CREAT | os.O_WRONLY), 30 << 20)"
        assert place.run(code).ending == "files"
        assert sum(path.stat().st_size for path in place.output.iterdir()) <= Limits().written

    @pytest.mark.parametrize("what", ["os.fork() or time.sleep(60)", "_thread.start_new_thread(time.sleep, (60,))"])
    def test_processes_and_threads(self, place, what):
        code = f"""
            import _thread
            for number in range(100):
                try:
                    {what}
                except (OSError, RuntimeError):
                    break
            print(number)
            """
        made = int(place.run(code, limits=Limits(seconds=10, processes=8)).printed)
        assert 1 <= made <= 8
        assert not place.left()

    def test_open_files(self, place):
        assert "refused" in place.run("attempt('open', lambda: [os.open('/dev/null', 0) for _ in range(1000)])").printed


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nothing_is_left_in_the_caller(place):
    place.run("pass")
    shutil.rmtree(place.output)
    place.output.mkdir()
    before = sorted(os.listdir("/proc/self/fd"))
    place.run("os.fork(); time.sleep(9)", limits=Limits(seconds=0.3))
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def planted(monkeypatch, folder, name, right, wrong):
    """The launcher with a wall taken down."""
    for source in SOURCES:
        shutil.copy(source, folder)
    file = folder / f"sandbox_{name}.py"
    assert file.read_text().count(right) == 1
    file.write_text(file.read_text().replace(right, wrong))
    monkeypatch.setattr(sandbox, "LAUNCHER", folder / "sandbox_launcher.py")


class TestEachWallByItself:
    """The tests above pass where any wall holds; here all but one are taken down."""

    def test_the_new_root_alone(self, place, mode, monkeypatch):
        if not mode:
            pytest.skip("there is none")
        right = "system_call(RESTRICT_SELF, rules, 0)\n"
        wrong = "return\n"
        planted(monkeypatch, place.top, "landlock", right, wrong)
        with socket.create_server(("127.0.0.1", 0)) as server:
            code = """
                import socket
                secret, port, caller = sys.argv[1:]
                attempt("read", lambda: open(secret))
                attempt("change", lambda: open(__file__, "w"))
                attempt("change mode", lambda: os.chmod(__file__, 0o777))
                attempt("connect", lambda: socket.create_connection(("127.0.0.1", int(port)), 2))
                attempt("signal", lambda: os.kill(int(caller), 0))
                attempt("see", lambda: os.listdir("/proc/" + caller))
                """
            port = server.getsockname()[1]
            assert refused(place.run(code, place.others / "secret", port, os.getpid()), 6)

    def test_a_wall_that_is_down_is_noticed_by_the_trial(self, mode, monkeypatch, tmp_path):
        with open_folder() as folder:
            planted(monkeypatch, folder, "landlock", "control(SET_SECCOMP, FILTER, ctypes.addressof(held))", "pass")
            assert "the trial could open sockets" in str(sandbox._trial(mode))

    def test_landlock_that_is_missing_is_named(self, mode, monkeypatch):
        with open_folder() as folder:
            planted(monkeypatch, folder, "landlock", "return system_call(CREATE_RULESET, None, 0, 1)", "return 0")
            assert "this kernel has no Landlock" in str(sandbox._trial(mode))


def test_what_cannot_be_contained_is_not_run(monkeypatch, tmp_path):
    sandbox._mode.cache_clear()
    monkeypatch.setattr(sandbox, "_trial", lambda namespaces: "this kernel has no Landlock")
    try:
        assert sandbox.available() == "Submissions cannot be contained here: this kernel has no Landlock."
        with pytest.raises(SandboxError, match="no Landlock"):
            sandbox.run([sys.executable], folder=tmp_path, output=tmp_path)
    finally:
        sandbox._mode.cache_clear()


def test_it_is_available_where_a_sandbox_of_either_kind_holds():
    assert (sandbox.available() is None) == (why_not(True) is None or why_not(False) is None)


COVER = """
mount --bind "$2" "$1" && mount -t tmpfs -o mode=755 none "$3" && mkdir -p "$2" && mount --bind "$1" "$2" || exit 77
shift 3
exec "$@"
"""


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0 or INSIDE in os.environ, reason="only root can become another")
@pytest.mark.skipif(not LONG, reason="all of this file twice more: in the long campaign")
@pytest.mark.parametrize("user", ["root", "54321"])
def test_all_that_as(user):
    """Again where anyone can run this Python, with and without root: then Landlock can be tried alone."""
    if not (shutil.which("setpriv") and shutil.which("unshare")):
        pytest.skip("needs setpriv and unshare")
    become = [] if user == "root" else ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
    python = Path(sys.base_prefix).resolve()
    closed = [folder for folder in reversed(python.parents) if not folder.stat().st_mode & 0o001]
    assert importlib.util.find_spec("pytest") is not None
    with open_folder() as folder:
        cover = ["unshare", "--mount", "sh", "-c", COVER, "sh", str(folder), str(python), str(closed[0])]
        command = [*(cover if closed else []), *become, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [__file__, "-p", "no:xdist", "-rs"]
        environment = {**os.environ, INSIDE: user, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTEST_ADDOPTS", None)  # may ask for plugins that are left out
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode == 77:
        pytest.skip("this machine does not let mounts be made")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
