"""Ask the stand-in for CuPy whatever operations ask of CuPy, and look that up in the real one.

``python -m tests.cupy_names_driver ask FOLDER`` runs every operation, forward and backward, on the stand-in, and writes
into the folder what was called of it; ``… look up FOLDER`` prints which of it the real CuPy does not have. Two
processes, since both go by the name of cupy.
"""

import json
import sys

import numpy as np

from tests import cupy_stand_in, launches


def ask() -> None:
    """Run operations on arrays of the stand-in: with the kernels for GPUs, and, of float16, with NumPy's."""
    cupy_stand_in.install()
    import tinycnn as tc
    from tinycnn.inspect.gradcheck.cases import CASES

    with tc.use_backend("cupy"):
        for dtype in (np.float32, np.float16):
            for case in CASES:
                y = case.function(*(tc.Tensor(array.astype(dtype), requires_grad=True) for array in case.inputs()))
                y.backward(np.ones_like(y.data))
        x, weight = tc.Tensor([[[[0.0] * 6] * 5]], requires_grad=True), tc.Tensor([[[[1.0] * 3] * 3]])
        for algorithm in tc.backend.load_kernels("cupy").algorithms:
            tc.functional.conv2d(x, weight, padding=1, algorithm=algorithm).sum().backward()
        (x.to("numpy") > 0).any()
        for optimizer in (tc.optim.SGD([x], lr=0.1, momentum=0.9, nesterov=True), tc.optim.AdamW([x], lr=0.1)):
            optimizer.step()
        net = tc.nn.Sequential(tc.nn.BatchNorm2d(1), tc.nn.Conv2d(1, 2, 3), tc.nn.ReLU(), tc.nn.MaxPool2d(2)).to(
            "numpy"
        )
        net.load_state_dict(net.to("cupy").state_dict())
        net(x)
        net.eval()(x)[[0], ..., 1:].max().item()
        print(net[1].weight, tc.inspect.summary(net, (1, 5, 6)))


def look_up(folder: str) -> list[str]:
    """What the real CuPy does not take of that."""
    import cupy

    _, called = launches.read(folder)
    assert len(called) > 50
    return list(launches.not_in_cupy(sorted(called), cupy))


if __name__ == "__main__":
    *verb, folder = sys.argv[1:]
    if verb == ["ask"]:
        ask()
        launches.write(folder)
    else:
        print(json.dumps(look_up(folder)))
