"""Run the compiled convolutions as on a processor with narrower vectors than this one has.

Run in a process of its own, since the width is fixed when Numba starts: ``python -m tests.kernels.narrow_driver 32``
for the 32 bytes of AVX2, or 16 for what every x86-64 and ARM has.
"""

import os
import sys

from llvmlite import binding

CPU = {32: "haswell", 16: "nehalem"}
LEFT_OUT = {32: ("avx512", "avx10", "amx", "prefer-256-bit"), 16: ("avx", "amx", "prefer-256-bit", "fma", "f16c", "v")}


def narrow(bytes_of_a_vector: int) -> None:
    """Let Numba and the kernels believe that the processor has no wider vectors."""
    features = binding.get_host_cpu_features()
    for name in features:
        if name.startswith(LEFT_OUT[bytes_of_a_vector]):
            features[name] = False
    binding.get_host_cpu_features = lambda: features
    os.environ["NUMBA_CPU_FEATURES"], os.environ["NUMBA_CPU_NAME"] = features.flatten(), CPU[bytes_of_a_vector]


def main(bytes_of_a_vector: int) -> None:
    """Every algorithm over a few geometries, and convolution, tanh and means of images side by side."""
    narrow(bytes_of_a_vector)
    import numpy as np

    from tests.kernels.test_numba_lane_pooling import SMALL, assert_right
    from tests.kernels.truth import DTYPES, Drawn, Truth, assert_true
    from tinycnn.geometry import Axis, ConvGeometry
    from tinycnn.kernels.numba import threads, tile
    from tinycnn.kernels.numpy import conv_im2col as plain

    assert bytes_of_a_vector == tile.VECTOR_BYTES
    threads.GRAIN = 1
    padded = Axis(9, 3, 1, 1, 1), Axis(11, 3, 1, 1, 1)
    for geometry in (ConvGeometry(*padded, 3, 7, 9), ConvGeometry(*padded, 33, 6, 10, 2)):
        for dtype in DTYPES:
            truth = Truth(Drawn(geometry, seed=5), dtype, plain)
            for algorithm in ("direct", "im2col", "winograd"):
                print(f"{algorithm} {np.dtype(dtype)} {geometry}", file=sys.stderr, flush=True)
                assert_true(truth, "numba", algorithm)
    for geometry in SMALL.values():
        assert_right(geometry)
    print(f"right with vectors of {bytes_of_a_vector} bytes")


if __name__ == "__main__":
    main(int(sys.argv[1]))
