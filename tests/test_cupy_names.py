"""What operations ask of CuPy is there in the real one, which needs no GPU to be looked into."""

import json
from importlib.machinery import PathFinder

import pytest

from tests.kernels.processes import assert_ran
from tests.oracles import REQUIRED, program


def test_what_operations_call_is_in_the_real_cupy(tmp_path):
    if not REQUIRED and PathFinder.find_spec("cupy") is None:  # whatever goes by its name in this process
        pytest.skip("cupy is not installed: pip install 'tinycnn[nvrtc]'")
    program("g++")
    assert_ran("-m", "tests.cupy_names_driver", "ask", str(tmp_path), TINYCNN_TEST_CUDA="")
    looked_up = assert_ran("-m", "tests.cupy_names_driver", "look", "up", str(tmp_path), TINYCNN_TEST_CUDA="")
    assert json.loads(looked_up.stdout) == []
