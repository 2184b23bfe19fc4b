"""For authors: what is wrong with the exercises themselves. ``python -m tinycnn.learn.dev [NAME ...]``."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tinycnn.learn import markers
from tinycnn.learn.exercise import Exercise, exercise, exercises
from tinycnn.learn.feedback import WORDS, Verdict, judge
from tinycnn.learn.process import answers
from tinycnn.texts import FALLBACK, LANGUAGES, missing

HINTS = 3
FEWEST_MUTANTS = 4
SECONDS = 5.0


def absent(one: Exercise) -> list[str]:
    """What an exercise needs and this machine lacks."""
    return [need for need in one.needs if not shutil.which(need) and importlib.util.find_spec(need) is None]


def check(one: Exercise, limit: float | None = None) -> list[str]:
    """The faults of an exercise; none where it is fit for learners.

    Its stub fails, its solution passes, each wrong solution is caught and named, no solution is left in the stub, there
    are three hints, and every language says all of it.

    Parameters
    ----------
    one
        The exercise.
    limit
        Seconds that a check may take, if that is looked at: on a busy machine it says little.
    """
    faults = list(_texts(one))
    if lack := absent(one):
        return [*faults, f"needs {', '.join(lack)}, which this machine lacks: not run"]
    start = time.perf_counter()
    verdict = verdict_on(one, one.solution)
    seconds = time.perf_counter() - start
    if not verdict.passed:
        faults.append(f"the solution fails: {verdict.message}")
    if limit is not None and seconds > limit:
        faults.append(f"a check takes {seconds:.1f} s")
    passing = [language for language in LANGUAGES if verdict_on(one, one.file(language)).passed]
    faults += [f"the stub passes ({language})" for language in passing]
    if len(one.mutants) < FEWEST_MUTANTS:
        faults.append(f"{len(one.mutants)} wrong solutions, expected at least {FEWEST_MUTANTS}")
    for mutant in one.mutants:
        found = verdict_on(one, mutant.source(one.solution))
        if found.passed:
            faults.append(f"mutant {mutant.name} passes")
        elif found.misconception != mutant.name:
            faults.append(f"mutant {mutant.name} is told as {found.misconception}: {found.message}")
    return faults


def verdict_on(one: Exercise, source: str, seed: int = 0) -> Verdict:
    """What is said of a file with this text."""
    cases = one.cases(seed)
    with tempfile.TemporaryDirectory(prefix="tinycnn-learn-") as folder:
        file = Path(folder) / f"{one.name}.py"
        file.write_text(source, encoding="utf-8")
        return judge(one, cases, answers(one, cases, file), FALLBACK)


def _texts(one: Exercise) -> Iterator[str]:
    left = set(markers.solution_lines(one.source)) & {line.strip() for line in one.stub.splitlines()}
    telling = [line for line in left if len(line) > 12 and not line.startswith(("return", "#"))]
    # A buggy stub is most of its solution.
    if telling and "find_the_bug" not in one.name:
        yield f"the stub holds a line of the solution: {telling[0]}"
    for language in LANGUAGES:
        for key in missing(one.folder, language):
            yield f"{language}.toml and {FALLBACK}.toml differ in {key}"
        texts = one.texts(language)
        if len(texts["hints"] or ()) != HINTS:
            yield f"{language}.toml has {len(texts['hints'] or ())} hints, expected {HINTS}"
        for mutant in one.mutants:
            for part in ("what", "where"):
                if not texts[f"misconceptions.{mutant.name}.{part}"]:
                    yield f"{language}.toml has no misconceptions.{mutant.name}.{part}"


def main(names: list[str]) -> int:
    """Print the faults; the exit status is 1 where there are any."""
    count = 0
    for language in LANGUAGES:
        for key in missing(WORDS, language):
            print(f"words: {language}.toml and {FALLBACK}.toml differ in {key}")
            count += 1
    for one in [exercise(name) for name in names] or exercises().values():
        faults = check(one, SECONDS)
        count += len(faults)
        print(f"{one.name}: {'; '.join(faults) or f'fit, {len(one.mutants)} wrong solutions'}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
