"""Streams: the same for the same seed, purpose and number, and shared by no two things that are drawn."""

from itertools import product

import numpy as np

import tinycnn as tc
from tinycnn.data.sets import hold_out
from tinycnn.random import Purpose, default_generator, stream


def test_a_stream_depends_on_seed_purpose_and_number_alone():
    keys = list(product((0, 1, 2**64 - 1), Purpose, (0, 1, 2**56 - 1)))
    drawn = [tuple(stream(*key).random(4)) for key in keys]
    assert len({number for numbers in drawn for number in numbers}) == 4 * len(keys)
    assert drawn == [tuple(stream(*key).random(4)) for key in keys]


def test_first_weights_order_changes_and_held_out_images_are_drawn_apart(monkeypatch):
    used = []
    real = np.random.Philox
    monkeypatch.setattr(np.random, "Philox", lambda key: used.append(tuple(int(word) for word in key)) or real(key=key))
    tc.manual_seed(7)
    tc.nn.Linear(4, 3)
    with tc.use_backend("numpy"):  # Numba computes the same words by itself
        tc.functional.dropout(tc.Tensor(np.ones(4, np.float32)))
    transform = tc.data.RandomAffine(degrees=5)
    images = np.zeros((6, 1, 8, 8), np.float32)
    loader = tc.data.DataLoader(images, range(6), 2, shuffle=True, transform=transform, seed=7)
    for _ in range(3):
        list(loader)
    hold_out(np.zeros(6), 0.5, seed=7)
    assert default_generator.calls == 3
    assert len(used) == len(set(used)) == 3 + 2 * 3 + 1
    assert {seed for seed, _ in used} == {7}
