"""One source for each exercise: the solution between markers, and the stub that a learner gets in its place.

# --- solution
return x + 1
# --- stub
# raise NotImplementedError("write this")
# --- end
"""

from __future__ import annotations

SOLUTION, STUB, END = "# --- solution", "# --- stub", "# --- end"


def stub(source: str) -> str:
    """The source with each stub in the place of its solution.

    Raises
    ------
    ValueError
        When markers do not follow each other as they should.
    """
    return "\n".join(line for line, part in _parts(source) if part != SOLUTION) + "\n"


def solution(source: str) -> str:
    """The source with each solution and no stub."""
    return "\n".join(line for line, part in _parts(source) if part != STUB) + "\n"


def solution_lines(source: str) -> list[str]:
    """The lines of the solutions alone, without their indentation."""
    return [line.strip() for line, part in _parts(source) if part == SOLUTION and line.strip()]


def _parts(source: str) -> list[tuple[str, str]]:
    """Each line but the markers, with the marker that it comes after; END outside."""
    after, found = END, []
    order = {END: SOLUTION, SOLUTION: STUB, STUB: END}
    for number, line in enumerate(source.splitlines(), start=1):
        marker = line.strip()
        if marker in order:
            if marker != order[after]:
                raise ValueError(f"line {number}: {marker!r} where {order[after]!r} must come")
            after = marker
        elif after == STUB:
            indentation = line[: len(line) - len(line.lstrip())]
            found.append((indentation + line.strip().removeprefix("#").removeprefix(" "), after))
        else:
            found.append((line, after))
    if after != END:
        raise ValueError(f"the last {after!r} has no {END!r}")
    return found
