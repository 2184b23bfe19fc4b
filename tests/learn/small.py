"""Three exercises of a line each, where the real ones would take long."""

import sys
from pathlib import Path

EXERCISE = '''"""Title.

Task.
"""


def {name}(x):
    """A number of x."""
    # --- solution
    return ({solution})
    # --- stub
    # raise NotImplementedError("write {name}")
    # --- end
'''
CHECK = """from tinycnn.learn.case import Case

FUNCTIONS = ({name!r},)
NEEDS = {needs}


def cases(rng):
    for x in (1, 3, 10):
        yield Case(f"x is {{x}}", x=x)


def expected(x):
    return {{"result": {solution}}}
"""
MUTANTS = """from tinycnn.learn.case import Mutant

MUTANTS = (Mutant("too_much", "return ", "return 100 * "),)
"""
TEXTS = """title = "{title}"
task = "{task}"
hints = ["{hint} 1", "{hint} 2", "{hint} 3"]

[misconceptions.too_much]
what = "{what}"
where = "Look at the factor."
"""
NAMES = ("01_double", "02_square", "03_triple")
SOLUTIONS = {"double": "x + x", "square": "x * x", "triple": "x + x + x"}
RUN = """
import sys
from pathlib import Path
import tinycnn.learn.exercise
tinycnn.learn.exercise.FOLDER = Path(sys.argv[1])
sys.argv = ["tinycnn", *sys.argv[2:]]
from tinycnn.cli.main import main
sys.exit(main())
"""


def make(folder, lacking=()):
    """Write the exercises; those named as lacking need what no machine has."""
    for number, (name, solution) in enumerate(SOLUTIONS.items(), start=1):
        here = folder / f"{number:02}_{name}"
        here.mkdir(parents=True)
        needs = ("no_such_program",) if name in lacking else ()
        (here / "exercise.py").write_text(EXERCISE.format(name=name, solution=solution))
        (here / "check.py").write_text(CHECK.format(name=name, solution=solution, needs=needs))
        (here / "mutants.py").write_text(MUTANTS)
        english = {
            "title": f"To {name}",
            "task": f"Write {name}(x).",
            "hint": "Hint",
            "what": "A hundred times too much.",
        }
        korean = {"title": f"{name} 만들기", "task": f"{name}(x)를 쓰세요.", "hint": "힌트", "what": "백 배가 많아요."}
        (here / "en.toml").write_text(TEXTS.format(**english), encoding="utf-8")
        (here / "ko.toml").write_text(TEXTS.format(**korean), encoding="utf-8")
    return folder


def install(monkeypatch, folder):
    """Let these be the exercises that there are, while a test lasts; whoever calls clears the cache afterwards."""
    from tinycnn.learn import exercise

    monkeypatch.setattr(exercise, "FOLDER", folder)
    exercise.exercises.cache_clear()


def command(folder, *words):
    """What runs ``tinycnn`` in a process of its own, on these exercises."""
    return [sys.executable, "-c", RUN, str(folder), *map(str, words)]


def solve(desk_folder: Path, name: str, wrong: str = "") -> None:
    """Write the right file, or one with ``wrong`` before the result."""
    function = name.partition("_")[2]
    text = f"def {function}(x):\n    return {wrong}{SOLUTIONS[function] if not wrong else f'({SOLUTIONS[function]})'}\n"
    (desk_folder / f"{name}.py").write_text(text)
