"""Where the time of a step goes: to which layer, forward and backward, and to which kind of work.

While somebody watches, layers run one by one, and none as one Function with its neighbours: the split is of such a
step. A layer has the time of its Functions; what the engine does around them is everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tinycnn.benchmarks.models.layers import ELSE, KINDS, OPTIMISER, Layer
from tinycnn.function import Function
from tinycnn.hooks import Call, watch


class Split:
    """Seconds of each layer of a chain.

    Attributes
    ----------
    seconds
        By layer and by phase, ``"forward"`` or ``"backward"``, of all that was watched.
    """

    def __init__(self, layers: Sequence[Layer]):
        self._layers = layers
        self._running = ""
        self._layer_of: dict[Function, str] = {}
        self.seconds = {layer.name: {"forward": 0.0, "backward": 0.0} for layer in layers}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what runs in the block."""
        with ExitStack() as stack:
            stack.enter_context(watch(self._ran))
            for layer in self._layers:
                stack.enter_context(layer.module.register_forward_pre_hook(self._starts(layer.name)))
                stack.enter_context(layer.module.register_forward_hook(self._ends))
            yield

    def told(self, whole: float, optimiser: float) -> dict[str, Any]:
        """As the record holds it, given the seconds of the whole step and those of the optimiser in it."""
        kinds = dict.fromkeys(KINDS, 0.0) | {OPTIMISER: optimiser}
        for layer in self._layers:
            kinds[layer.kind] += sum(self.seconds[layer.name].values())
        kinds[ELSE] += whole - sum(kinds.values())
        layers = [{"name": layer.name, "kind": layer.kind, **self.seconds[layer.name]} for layer in self._layers]
        return {"kinds": kinds, "unfused_seconds": whole, "layers": layers}

    def _starts(self, name: str) -> Any:
        def hook(module: Any, inputs: tuple[Any, ...]) -> None:
            self._running = name

        return hook

    def _ends(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        self._running = ""

    def _ran(self, call: Call) -> None:
        if call.phase == "forward":
            self._layer_of[call.function] = self._running
        name = self._layer_of[call.function]
        if name:  # else it is the loss, or stands between layers
            self.seconds[name][call.phase] += call.seconds
