"""Every test of an operation runs on every backend that this machine has."""

from collections.abc import Iterator

import pytest

import tinycnn as tc
from tests.backends import running


@pytest.fixture(params=tc.available_backends(), scope="module", autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The backend that is running."""
    with running(request.param) as name:
        yield name
