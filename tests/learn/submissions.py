"""What a class may hand in: solutions, every known mistake, accidents, and attacks on whoever grades it.

An attack is a text of Python with the names of what it goes for filled in from a `World`. It solves nothing: where it
scores, or leaves a trace that `World` knows, it has escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice, zip_longest
from pathlib import Path
from typing import NamedTuple

from tinycnn.learn.exercise import Exercise

LEAK = "LEAKED"
"""With what a submission says that it could read something."""


class World(NamedTuple):
    """What attacks go for: all of it must be as it was, and none of it known, when the grading is over."""

    submissions: Path
    other: Path
    exercises: Path
    outside: Path
    port: int
    grader: int
    marker: str


class Submission(NamedTuple):
    """One file of one learner; where it is honest, it is graded as the learner sees it at home."""

    kind: str
    exercise: Exercise
    text: str
    honest: bool = True


IMPORT = "import atexit, ctypes, glob, io, json, os, signal, socket, subprocess, sys, threading, time, zipfile\n"

ACCIDENTS = {
    "syntax error": "def f(:\n    pass\n",
    "nothing": "",
    "not text": "# \udcff\n",
    "null bytes": "x = 1\0\n",
    "raises when loaded": "raise ValueError('oh')\n",
    "exits when loaded": "import sys\nsys.exit(0)\n",
    "deep brackets": "x = " + "(" * 5000 + ")" * 5000 + "\n",
}
"""Files as they happen; each is the whole file."""

RETURNS = {
    "returns None": "None",
    "returns a word": "'seven'",
    "returns an object": "object()",
    "returns nan": "np.full((2, 2), np.nan)",
    "returns no numbers": "np.array([])",
    "returns objects": "np.array([None, object()], dtype=object)",
    "returns complex numbers": "np.array([1j])",
    "prints": "print('7' * 100_000)",
    "raises": "1 / 0",
    "raises a whole book": "(_ for _ in ()).throw(ValueError('x\\x00\\x1b[31m\\ud800' * 10_000))",
    "exits": "sys.exit(0)",
    "changes its arguments": "[a.fill(7) for a in args if isinstance(a, np.ndarray) and a.dtype.kind == 'f']",
    "recurses": "f(*args)",
    "asks for 80 GB": "np.ones(10_000_000_000)",
    "dies": "os.kill(os.getpid(), 9)",
    "ends at once": "os._exit(0)",
}
"""What every function of a file does instead of its work."""

SLOW = {
    "endless loop": "while True:\n    pass\n",
    "sleeps": "import time\ntime.sleep(3600)\n",
    "ignores all signals": IMPORT
    + "for n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
    "while True: pass\n",
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n",
}
"""What ends by its time alone: few of them."""

STRAINS = {
    "hands back too much": "import numpy as np\ndef f(*args): return np.zeros(30_000_000)\n"
    "for n in FUNCTIONS: globals()[n] = f\n",
    "memory hog": "kept = []\nwhile True: kept.append(bytearray(2**26))\n",
    "a few forks": "import os, time\nfor _ in range(100):\n    if os.fork() == 0: time.sleep(60)\n",
    "thread bomb": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()\n",
    "fills the disk": IMPORT + "for n in range(100): open(f'{sys.argv[2]}/{n}', 'wb').write(bytes(2**25))\n",
    "many files": IMPORT + "for n in range(100_000): open(f'{sys.argv[2]}/{n}', 'wb').close()\n",
    "open files": "kept = [open('/dev/null') for _ in range(100_000)]\n",
    "a deep tree": IMPORT
    + "os.chdir(sys.argv[2])\nfor n in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nos._exit(0)\n",
    "prints 100 MB": IMPORT + "for _ in range(1600): os.write(1, b'7' * 2**16)\n",
}
"""What takes too much of something, and does not end well."""

LEAKS = {
    "reads another's folder": "open({other!r}).read()",
    "lists the class": "' '.join(os.listdir({submissions!r}))",
    "reads the exercises": "''.join(open(p).read() for p in glob.glob({exercises!r} + '/*/*.py')) or 1 / 0",
    "lists one exercise": "' '.join(n for n in os.listdir({exercises!r} + '/01_cross_correlation'))",
    "reads the grader's memory": "open('/proc/{grader}/mem', 'rb').read(1)",
    "reads the grader's environment": "open('/proc/{grader}/environ').read()",
    "reads the grader's open files": "os.listdir('/proc/{grader}/fd')",
    "reads its parent's memory": "open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "traces its parent": "1 / (ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) + 1)",
    "reads the system's secrets": "open('/etc/shadow').read()",
    "reads the home": "os.listdir(os.path.expanduser('~root'))",
    "looks for other runs": "[p for p in glob.glob('/tmp/tinycnn-*/*') if sys.argv[2] not in p][0]",
    "climbs up": "open('/proc/self/root/../..' + {other!r}).read()",
    "follows its own link": "(os.symlink({other!r}, sys.argv[2] + '/l'), open(sys.argv[2] + '/l').read())",
    "goes through the caller's folder": "open('/proc/self/cwd/../..' + {other!r}).read()",
    "signals the grader": "os.kill({grader}, 0)",
    "connects": "socket.create_connection(('127.0.0.1', {port}), 2)",
    "sends a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "calls an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0{marker}')",
    "listens": "socket.create_server(('127.0.0.1', 0))",
    "becomes root": "os.setuid(0) if os.getuid() else 1 / 0",
    "asks sudo": "subprocess.run(['sudo', '-n', 'true'], check=True)",
    "makes namespaces": "1 / (ctypes.CDLL(None).unshare(0x10000000) + 1)",
    "writes outside": "open({outside!r}, 'w').write('x')",
    "writes beside itself": "open(os.path.dirname(sys.argv[3]) + '/made.py', 'w')",
    "changes itself": "open(sys.argv[3], 'a')",
    "changes another's file": "open({other!r}, 'a').write('x')",
    "changes the job": "open(sys.argv[1] + '/job.json', 'w')",
    "changes the library": "open(sys.argv[0], 'a')",
    "writes to the temporary folder": "open('/tmp/{marker}', 'w').write('x')",
    "removes another's file": "os.remove({other!r})",
    "leaves by the shell": "subprocess.run(['sh', '-c', 'echo x > {outside}'], check=True)",
}
"""What must raise an exception; where it does not, its result is told."""

FORGED = {
    "all well": "report([{'results': {}, 'raised': None, 'damaged': [], 'printed': ''}] * N)\narrays(b'')",
    "zeros": "report(CASES)\nnp.savez(OUT + '/results.npz', **{f'{n}/result': np.zeros((2, 2)) for n in range(N)})",
    "a score": "open(OUT + '/result.json', 'w').write(json.dumps({'passed': True, 'score': 1e9, 'good': N}))",
    "no cases": "report([])\nnp.savez(OUT + '/results.npz')",
    "too many cases": "report(CASES * 100)\nnp.savez(OUT + '/results.npz', x=np.zeros(3))",
    "deep JSON": "open(OUT + '/result.json', 'w').write('[' * 500_000)\narrays(b'')",
    "a huge number": "open(OUT + '/result.json', 'w').write('9' * 900_000)\narrays(b'')",
    "huge JSON": "open(OUT + '/result.json', 'w').write('[' + '0,' * 10_000_000 + '0]')\narrays(b'')",
    "half of a letter": "report([{'results': {'\\ud800': {'kind': 'text', 'text': '\\ud800'}}, 'raised': None, "
    "'damaged': ['\\ud800'], 'printed': '\\ud800'}] * N)\nnp.savez(OUT + '/results.npz')",
    "other types": "report([{'results': [1], 'raised': 7, 'damaged': None, 'printed': {}}] * N)\narrays(b'')",
    "unknown kinds": "report([{'results': {'result': {'kind': [], 'text': 3}}, 'raised': [], 'damaged': [], "
    "'printed': ''}] * N)\nnp.savez(OUT + '/results.npz')",
    "an unknown fault": "report([], {'kind': 'self', 'self': 1, 'key': 2, 'line': 'x' * 10**6})\narrays(b'')",
    "a fault with arguments": "report([], {'kind': 'raised', 'self': 1, 'key': 2, 'line': 3})\narrays(b'')",
    "lines out of nowhere": "report([{**CASES[0], 'raised': {'type': {}, 'line': -1}}] * N)\narrays(b'')",
    "a bomb": "report(CASES)\nbomb({n: 2**28 for n in NAMES})",
    "a header that lies": "report(CASES)\npacked(b'\\x93NUMPY\\x01\\x00' + header((2**40, 2**40)))",
    "a header that runs": "report(CASES)\npacked(b'\\x93NUMPY\\x01\\x00' + header('__import__(\"os\")'))",
    "a negative shape": "report(CASES)\npacked(b'\\x93NUMPY\\x01\\x00' + header((-1,)))",
    "no archive": "report(CASES)\narrays(b'PK\\x03\\x04' + bytes(100))",
    "half an archive": "report(CASES)\narrays(whole()[:-30])",
    "an archive with a key": "report(CASES)\narrays(whole().replace(b'PK\\x01\\x02\\x14\\x03\\x14\\x00\\x00\\x00', "
    "b'PK\\x01\\x02\\x14\\x03\\x14\\x00\\x01\\x00'))",
    "objects": "report(CASES)\npickled()",
    "a pipe": "os.mkfifo(OUT + '/result.json')",
    "a pipe for arrays": "report(CASES)\nos.mkfifo(OUT + '/results.npz')",
    "a folder": "os.mkdir(OUT + '/result.json')\nos.mkdir(OUT + '/results.npz')",
    "a link": "os.symlink('/etc/passwd', OUT + '/result.json')",
    "a second name": "os.link(sys.argv[1] + '/job.json', OUT + '/result.json')",
    "endless progress": "open(OUT + '/progress', 'w').write('7\\n' * 10_000_000)\nreport(CASES)",
    "a file that may not be read": "report(CASES)\narrays(b'')\nos.chmod(OUT, 0)",
}
"""What is written in the worker's place, which then ends as if all were well."""

PATCHES = {
    "np.savez": "np.savez = lambda file, **a: None",
    "np.savez to zeros": "real = np.savez\nnp.savez = lambda f, **a: real(f, **{k: 0 * v for k, v in a.items()})",
    "json.dumps": 'json.dumps = lambda told, **o: \'{"load": null, "cases": [], "modules": []}\'',
    "the worker": "w = sys.modules['__main__']\nw._run = lambda *a: {'results': {}, 'raised': None, 'damaged': [], "
    "'printed': ''}",
    "the job": "f = sys._getframe()\nwhile f.f_back: f = f.f_back; f.f_locals.get('job', {}).update(cases=[])",
    "sys.modules": "sys.modules.clear()",
    "numpy itself": "np.array_equal = np.asarray = lambda *a, **k: np.zeros(())",
    "atexit": "atexit.register(lambda: open(sys.argv[2] + '/result.json', 'w').write('{\"load\": null}'))",
    "a thread": "def late():\n    time.sleep(0.4)\n    open(sys.argv[2] + '/result.json', 'w').write('{}')\n"
    "threading.Thread(target=late, daemon=True).start()",
    "the exit": "sys.excepthook = lambda *a: os._exit(0)\nsys.settrace(lambda *a: None)",
    "signals": "signal.signal(signal.SIGALRM, lambda *a: os._exit(0))\nsignal.alarm(1)",
    "a daemon": "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execv(sys.executable, "
    "[sys.executable, '-c', 'import time; time.sleep(300)', {marker!r}])\n    os._exit(0)",
    "a daemon that writes": "if os.fork() == 0:\n    os.setsid()\n    time.sleep(3)\n    open({outside!r}, 'w')\n"
    "    open(sys.argv[2] + '/result.json', 'w')\n    os._exit(0)",
    "the library in secret": "try:\n    F = __import__('tiny' + 'cnn.functional').functional\n"
    "    for n in list(sys.modules):\n        if n.startswith('tiny'): del sys.modules[n]\n"
    "    def {function}(*args): raise RuntimeError({leak!r})\nexcept (ImportError, OSError): pass",
    "another library in secret": "try:\n    import importlib, importlib.util\n"
    "    path = importlib.util.find_spec('tor' + 'ch').origin\n    open(path).close()\n"
    "    def {function}(*args): raise RuntimeError({leak!r})\nexcept (ImportError, OSError, AttributeError): pass",
}
"""What is changed in the process that runs the file; the functions are the stub's."""

FORGER = """
import numpy as np
OUT, JOB = sys.argv[2], json.load(open(sys.argv[1] + '/job.json'))
N = len(JOB['cases'])
RESULTS = {'result': {'kind': 'array', 'text': 'ndarray'}, 'y': {'kind': 'array', 'text': 'ndarray'}}
CASES = [{'results': RESULTS, 'raised': None, 'damaged': [], 'printed': ''}] * N
NAMES = [f'{n}/{name}.npy' for n in range(N) for name in RESULTS]
def report(cases, load=None):
    open(OUT + '/result.json', 'w').write(json.dumps({'load': load, 'cases': cases, 'modules': []}))
def arrays(data): open(OUT + '/results.npz', 'wb').write(data)
def header(shape):
    text = ("{'descr': '<f8', 'fortran_order': False, 'shape': %s, }" % (shape,)).encode()
    return (len(text)).to_bytes(2, 'little') + text
def packed(data):
    with zipfile.ZipFile(OUT + '/results.npz', 'w') as archive:
        for name in NAMES: archive.writestr(name, data)
def bomb(sizes):
    with zipfile.ZipFile(OUT + '/results.npz', 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(NAMES[0], 'w') as file:
            for _ in range(256): file.write(bytes(2**20))
def whole():
    stream = io.BytesIO()
    np.savez(stream, **{name[:-4]: np.zeros(3) for name in NAMES})
    return stream.getvalue()
class Trap:
    def __reduce__(self): return open, (OUTSIDE, 'w')
def pickled():
    np.savez(OUT + '/results.npz', **{name[:-4]: np.array([Trap()], dtype=object) for name in NAMES})
open(OUT + '/progress', 'w').write(''.join(f'{n}\\n' for n in range(N)))
"""


def submissions(exercises: Sequence[Exercise], world: World, count: int) -> list[Submission]:
    """So many of them: each accident and attack once at most, in turn, and the rest what honest learners hand in."""
    honest = _honest(exercises)
    others = [_accidents(exercises), _attacks(exercises, world), _forgeries(exercises, world)]
    turns = [honest, others[0], honest, others[1], others[2], _patches(exercises, world)]
    found = list(islice(_slow(exercises), max(2, count // 50)))
    for turn in cycle(turns):
        found += islice(turn, 1)
        if len(found) == count:
            break
    return found


def _slow(exercises: Sequence[Exercise]) -> Iterator[Submission]:
    for (name, text), one in zip(cycle(SLOW.items()), cycle(exercises), strict=False):
        yield Submission(name, one, text, honest=False)


def _honest(exercises: Sequence[Exercise]) -> Iterator[Submission]:
    """Now a solution, now two mistakes: a mutant of every exercise, then the next of each, at last the stubs."""
    solutions = cycle([Submission("solution", one, one.solution) for one in exercises])
    mistakes = [
        [*(Submission(f"mutant {m.name}", one, m.source(one.solution)) for m in one.mutants), stub]
        for one in exercises
        for stub in [Submission("stub", one, one.file("ko"))]
    ]
    rounds = zip_longest(*mistakes)
    wrong = cycle([each for one_of_each in rounds for each in one_of_each if each])
    while True:
        yield next(solutions)
        yield from islice(wrong, 2)


def _accidents(exercises: Sequence[Exercise]) -> Iterator[Submission]:
    texts = {**ACCIDENTS, **{name: _functions("return " + code) for name, code in RETURNS.items()}, **STRAINS}
    for (name, text), one in zip(_spread(texts), cycle(exercises), strict=False):
        yield Submission(name, one, text.replace("FUNCTIONS", repr(one.functions)), honest=name not in STRAINS)


def _attacks(exercises: Sequence[Exercise], world: World) -> Iterator[Submission]:
    for (name, code), one in zip(_spread(LEAKS), cycle(exercises), strict=False):
        text = IMPORT + f"told = {_filled(code, world)}\nraise RuntimeError(f'{LEAK} {{told}}')\n"
        yield Submission(name, one, text, honest=False)


def _forgeries(exercises: Sequence[Exercise], world: World) -> Iterator[Submission]:
    for (name, code), one in zip(_spread(FORGED), cycle(exercises), strict=False):
        text = f"{IMPORT}OUTSIDE = {str(world.outside)!r}\n{FORGER}try:\n    " + code.replace("\n", "\n    ")
        yield Submission(f"forges {name}", one, text + "\nfinally:\n    os._exit(0)\n", honest=False)


def _patches(exercises: Sequence[Exercise], world: World) -> Iterator[Submission]:
    for (name, code), one in zip(_spread(PATCHES), cycle(exercises), strict=False):
        patch = _filled(code, world, function=one.functions[0], leak=LEAK)
        text = f"{one.stub}\n{IMPORT}import numpy as np\n{patch}\n"
        yield Submission(f"patches {name}", one, text, honest=False)


def _filled(code: str, world: World, **more: str) -> str:
    for name, value in {**world._asdict(), **more}.items():
        told = value if isinstance(value, int) else str(value)
        code = code.replace(f"{{{name}!r}}", repr(told)).replace(f"{{{name}}}", str(told))
    return code


def _functions(body: str) -> str:
    """A file in which every function, and what a class stands for, does the same."""
    head = "import os, sys\nimport numpy as np\ndef f(*args, **options):\n"
    return f"{head}    {body}\nfor n in FUNCTIONS: globals()[n] = f\n"


def _spread(texts: dict[str, str]) -> list[tuple[str, str]]:
    """In an order in which neighbours have little to do with each other, so that a few are of many kinds."""
    items = list(texts.items())
    step = next(n for n in (7, 11, 13) if len(items) % n)
    return [items[i * step % len(items)] for i in range(len(items))]
