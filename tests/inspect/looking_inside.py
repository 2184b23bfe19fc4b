"""What tests of looking inside share: every backend, small models, and the same models written in PyTorch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import running, to_backend, to_numpy
from tests.cases import away_from_zero, normal
from tinycnn import nn

Array = np.ndarray


@pytest.fixture(params=tc.available_backends(), scope="module", autouse=True)
def every_backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run each test of a module on every backend: ``backend = every_backend`` there."""
    with running(request.param) as name:
        yield name


IMAGE = (2, 9, 8)  # C, H, W


class Residual(nn.Module):
    """Functional ReLU, batch normalisation, a skip, global average pooling, one full layer."""

    def __init__(self):
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Identity()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = self.last(F.relu(self.norm(self.conv(x)) + x))
        return self.head(F.global_avg_pool2d(x).flatten(1))


def chain() -> nn.Sequential:
    """Layers in a row, the first three of which run as one Function where a backend can."""
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),  # (N, 2, 9, 8) -> (N, 6, 9, 8)
        nn.ReLU(),
        nn.MaxPool2d(2),  # -> (N, 6, 4, 4)
        nn.Conv2d(6, 4, (2, 1), groups=2),  # -> (N, 4, 3, 4)
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d((2, 1)),  # -> (N, 4, 1, 4)
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 5),
    )


MODELS: dict[str, Callable[[], nn.Module]] = {"chain": chain, "residual": Residual}
every_model = pytest.mark.parametrize("name", MODELS)


def built(name: str, seed: int = 0) -> nn.Module:
    """A model in float64 with statistics of its own, in training mode; its scores are some units apart."""
    tc.manual_seed(seed)
    model = MODELS[name]().astype(np.float64)
    numbers = np.random.default_rng(seed)
    state = {key: to_numpy(array) for key, array in model.state_dict().items()}
    for key, array in state.items():
        if array.ndim > 1:
            state[key] = numbers.standard_normal(array.shape) * (2 / array[0].size) ** 0.5
        elif key.endswith(("bias", "running_mean")):
            state[key] = numbers.uniform(-0.3, 0.3, array.shape)
        elif key.endswith(("weight", "running_var")):
            state[key] = numbers.uniform(0.5, 1.5, array.shape)
    model.load_state_dict(state)
    return model


def image(seed: int = 0, shape: tuple[int, ...] = IMAGE) -> Array:
    """A float64 image of normal noise, no pixel near 0."""
    return away_from_zero(normal(seed, *shape))


def scores(model: nn.Module, pixels: Array) -> Array:
    """Logits of one image, by a plain call in ``eval`` mode: (classes,)."""
    with tc.no_grad(), nn.module.evaluating(model):
        return to_numpy(model(tc.Tensor(to_backend(pixels[None]))).data[0])


def in_torch(torch: Any, name: str, model: nn.Module, x: Any, relu: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Logits (classes,) and the activation of the last convolution (1, K, P, Q), of the same model in PyTorch."""
    TF = torch.nn.functional
    s = {key: torch.tensor(to_numpy(array)) for key, array in model.state_dict().items()}

    def norm(x: Any, key: str) -> Any:
        keys = [f"{key}.{part}" for part in ("running_mean", "running_var", "weight", "bias")]
        return TF.batch_norm(x, *(s[key] for key in keys))

    if name == "chain":
        y = TF.max_pool2d(relu(TF.conv2d(x, s["0.weight"], s["0.bias"], padding=1)), 2)
        maps = relu(norm(TF.conv2d(y, s["3.weight"], s["3.bias"], groups=2), "4"))
        return TF.linear(TF.avg_pool2d(maps, (2, 1)).flatten(1), s["9.weight"], s["9.bias"])[0], maps
    y = relu(TF.conv2d(x, s["stem.weight"], s["stem.bias"], padding=1))
    maps = relu(norm(TF.conv2d(y, s["conv.weight"], s["conv.bias"], padding=1), "norm") + y)
    return TF.linear(maps.mean((2, 3)), s["head.weight"], s["head.bias"])[0], maps
