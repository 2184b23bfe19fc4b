"""PyTorch as the third witness, beside the definition and finite differences.

On the same draws, float64 must agree to 1e-10 and float32 to 1e-4 of the largest value.
"""

import numpy as np

from tests.backends import run
from tests.cases import laid_out
from tests.numeric import assert_close
from tests.oracles import oracle

torch = oracle("torch")
torch.set_num_threads(1)

TOLERANCES = {np.float64: 1e-10, np.float32: 1e-4}


def to_torch(array: np.ndarray):
    """A torch tensor of its own memory."""
    return torch.tensor(np.array(array, array.dtype.newbyteorder("="), order="C"))


def assert_like_torch(ours, theirs, *arrays, layout="contiguous"):
    """Both functions give the same value and the same gradient for every array, in both dtypes.

    Draws are of size 1, and so are the terms that results are sums of: a result that happens to be nearly 0 has their
    rounding error, not its own, hence the scale.
    """
    for dtype, tolerance in TOLERANCES.items():
        given_arrays = [laid_out(np.asarray(array, dtype), layout) for array in arrays]
        result = run(ours, *given_arrays, seed=len(arrays), layout=layout)
        tensors = [to_torch(array).requires_grad_() for array in given_arrays]
        y = theirs(*tensors)
        y.backward(to_torch(result.upstream))
        assert_close(result.y, y.detach().numpy(), tolerance, "y", scale=1)
        for i, (actual, tensor) in enumerate(zip(result.gradients, tensors, strict=True)):
            assert_close(actual, tensor.grad.numpy(), tolerance, f"gradient of input {i}", scale=1)
