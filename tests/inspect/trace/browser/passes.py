"""What a pass should show, worked out from the geometry alone: each term of its sums, in the order of its loops.

A convolution, each of its gradients, its columns and its transpose add up the same products; they differ in which
index the loops run over first and where a product is added. So a pass is a table of terms, sorted by its loops.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Step:
    """One line that ran: what it read besides its result, what it added or copied, what then stood in the result."""

    reads: tuple[tuple[str, int], ...]
    place: int
    value: float
    before: float | None
    after: float
    is_product: bool


@dataclass
class Pass:
    """What is on the screen at each stop of a pass.

    Attributes
    ----------
    name, result
        Of the pass, and of the tensor that it makes.
    shape
        Of the result.
    given
        The other tensors that may be seen, by name.
    stops
        The steps of each.
    covered
        For each stop, how many cells of padding its window covers; None where no window is drawn.
    """

    name: str
    result: str
    shape: tuple[int, ...]
    given: dict[str, np.ndarray]
    stops: list[list[Step]] = field(default_factory=list)
    covered: list[int] | None = None

    def states(self):
        """The result after each stop; NaN where nothing has been written yet."""
        state = np.full(int(np.prod(self.shape)), np.nan)
        for stop in self.stops:
            for step in stop:
                state[step.place] = step.after
            yield state.copy()

    def step_states(self, stop):
        """The same after each step of a stop."""
        state = np.full(int(np.prod(self.shape)), np.nan)
        for step in (step for earlier in self.stops[:stop] for step in earlier):
            state[step.place] = step.after
        for step in self.stops[stop]:
            state[step.place] = step.after
            yield state.copy()


def window_terms(sizes, stride, padding, dilation, groups):
    """All products of a convolution, those with padding too: for each letter an array, and which lie inside.

    ``c`` counts all channels, ``l`` those of the group.
    """
    letters = "nkpqlrs"
    channels, kernels = sizes["c"] // groups, sizes["k"] // groups
    shape = [channels if letter == "l" else sizes[letter] for letter in letters]
    terms = dict(zip(letters, np.indices(shape).reshape(len(letters), -1), strict=True))
    terms["c"] = terms["k"] // kernels * channels + terms["l"]
    terms["h"] = terms["p"] * stride[0] + terms["r"] * dilation[0] - padding[0]
    terms["w"] = terms["q"] * stride[1] + terms["s"] * dilation[1] - padding[2]
    is_inside = (terms["h"] >= 0) & (terms["h"] < sizes["h"]) & (terms["w"] >= 0) & (terms["w"] < sizes["w"])
    return terms, is_inside


def chosen(terms, which):
    """Some of the terms."""
    return {letter: index[which] for letter, index in terms.items()}


def swapped(terms):
    """The terms as a transposed convolution sees them, whose input is the output of the convolution."""
    names = {"n": "n", "k": "c", "c": "k", "l": "l", "p": "h", "q": "w", "h": "p", "w": "q", "r": "r", "s": "s"}
    return {names[letter]: index for letter, index in terms.items()}


def summed(name, terms, loops, stops, result, operands, given, first=None, adds=True):
    """A pass that adds up terms.

    Parameters
    ----------
    terms
        For each letter the index of every term.
    loops
        Letters in the order of the loops.
    stops
        How many of them make a stop.
    result
        Its name, its shape, and the letters of its axes.
    operands
        For each factor its name, its array and the letters of its axes.
    given
        Tensors that are seen besides.
    first
        A name, an array and letters: what a result is before its terms are added; None for 0.
    adds
        Whether terms are added; else copied.
    """
    tensor, shape, axes = result
    places = np.ravel_multi_index([terms[letter] for letter in axes], shape)
    sources = [
        (source, np.ravel_multi_index([terms[letter] for letter in letters], array.shape), array.ravel())
        for source, array, letters in operands
    ]
    values = np.prod([array[at] for _, at, array in sources], axis=0)
    order = np.lexsort([terms[letter] for letter in reversed(loops)])
    keys = np.stack([terms[letter] for letter in loops[:stops]], axis=1)
    made = Pass(name, tensor, shape, {source: array for source, array, _ in operands} | given)
    state, last = np.zeros(int(np.prod(shape))), None
    for i in order.tolist():
        place, key = int(places[i]), tuple(keys[i])
        if key != last:
            made.stops.append([])
            last = key
            if first is not None:
                source, array, letters = first
                at = int(np.ravel_multi_index([terms[letter][i] for letter in letters], array.shape))
                state[place] = array.ravel()[at]
                made.stops[-1].append(Step(((source, at),), place, state[place], None, float(state[place]), False))
                made.given[source] = array
        before = float(state[place])
        state[place] = before + values[i] if adds else values[i]
        reads = tuple((source, int(at[i])) for source, at, _ in sources)
        told = before if adds else None
        step = Step(reads, place, float(values[i]), told, float(state[place]), len(sources) > 1)
        made.stops[-1].append(step)
    return made


def covered(terms, is_inside, loops):
    """For each stop, how many of its terms lie in the padding, counted once for each cell of the window."""
    found = {}
    for i in np.lexsort([terms[letter] for letter in reversed(loops)]).tolist():
        cells = found.setdefault(tuple(int(terms[letter][i]) for letter in loops), set())
        if not is_inside[i]:
            cells.add(tuple(int(terms[letter][i]) for letter in "chw"))
    return [len(cells) for cells in found.values()]
