"""Resampling held against PyTorch's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles import oracle
from tinycnn.data import RandomAffine, Resize
from tinycnn.data.transforms import affine

torch = oracle("torch")
seeds = st.integers(0, 2**32 - 1)


# PyTorch 2.13 gives the first row alone for images that become one column wide: (1, 1, 2, 1) of 0 and 1 to (3, 1) is
# 0, 0, 0 there.
@given(
    old=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    new=st.tuples(st.integers(1, 40), st.integers(2, 40)),
    seed=seeds,
)
def test_resize_is_interpolate_with_antialias(old, new, seed):
    images = np.random.default_rng(seed).random((2, 3, *old), np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(images), size=new, mode="bilinear", antialias=True, align_corners=False
    )
    found = Resize(new)(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def torch_affine(images, matrix, shift):
    """affine by PyTorch, whose vectors are (across, down) in halves of the image's extent."""
    N, C, H, W = images.shape
    half = np.array([(W - 1) / 2, (H - 1) / 2])
    flipped = matrix[:, ::-1, ::-1]  # for (across, down)
    linear = flipped * half / half[:, None]
    offset = -(flipped @ shift[:, ::-1, None])[..., 0] / half
    theta = torch.from_numpy(np.concatenate([linear, offset[..., None]], axis=2))
    grid = torch.nn.functional.affine_grid(theta, images.shape, align_corners=True)
    grid = grid.to(torch.from_numpy(images).dtype)
    return torch.nn.functional.grid_sample(
        torch.from_numpy(images), grid, mode="bilinear", padding_mode="zeros", align_corners=True
    ).numpy()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 12), st.integers(2, 12)), seed=seeds)
def test_affine_is_grid_sample(dtype, tolerance, shape, seed):
    rng = np.random.default_rng(seed)
    images = rng.random(shape).astype(dtype)
    matrix, shift = rng.normal(0, 0.8, (shape[0], 2, 2)), rng.normal(0, 2, (shape[0], 2))
    found = affine(images, matrix, shift)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, torch_affine(images, matrix, shift), atol=tolerance)


@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 12), st.integers(2, 12)), seed=seeds)
def test_random_affine_is_shift_after_scale_after_turn_after_shear(shape, seed):
    rng = np.random.default_rng(seed)
    images, uniforms = rng.random(shape), rng.random((shape[0], 5))
    transform = RandomAffine(degrees=50, translate=0.3, scale=(0.7, 1.6), shear=30)
    signed = 2 * uniforms - 1
    angle, slope = np.radians(50 * signed[:, 0]), np.tan(np.radians(30 * signed[:, 1]))
    backward = []
    for turn, lean, factor in zip(angle, slope, 0.7 + 0.9 * uniforms[:, 4], strict=True):
        clockwise = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])  # of (down, across)
        top_to_the_right = np.array([[1, 0], [-lean, 1]])
        backward.append(np.linalg.inv(factor * clockwise @ top_to_the_right))
    shift = 0.3 * signed[:, 2:4] * shape[2:]
    expected = torch_affine(images, np.array(backward), shift)
    np.testing.assert_allclose(transform(images, uniforms), expected, atol=1e-12)
