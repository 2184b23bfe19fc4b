"""Feature maps: what each layer gives, against the layers run by hand."""

import numpy as np
import pytest

import tinycnn as tc
from tinycnn import nn
from tinycnn.inspect.activations import feature_maps


def test_each_layer_by_hand(rng):
    model = tc.models.lenet5()
    image = rng.standard_normal((1, 32, 32)).astype(np.float32)
    found = feature_maps(model, image)
    x = tc.Tensor(image[None])
    for name, layer in model.children():
        x = layer(x)
        np.testing.assert_array_equal(found[name], x.data[0])
    assert list(found) == [name for name, _ in model.children()]


def test_layers_inside_modules_have_dotted_names_in_the_order_they_ran():
    class Backwards(nn.Module):
        def __init__(self):
            self.last, self.first = nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return self.last(self.first(x))

    assert list(feature_maps(Backwards(), np.zeros((1, 5, 5), np.float32))) == ["first", "last.0", "last.1"]


def test_a_layer_that_runs_twice_shows_its_last_output():
    class Twice(nn.Module):
        def __init__(self):
            self.half, self.other = nn.AvgPool2d(2), nn.ReLU()

        def forward(self, x):
            return self.half(self.other(self.half(x)))

    found = feature_maps(Twice(), np.ones((1, 8, 8), np.float32))
    assert [(name, maps.shape) for name, maps in found.items()] == [("other", (1, 4, 4)), ("half", (1, 2, 2))]


def test_a_model_that_is_one_layer_and_one_that_also_gives_indices():
    assert feature_maps(nn.ReLU(), -np.ones((1, 2, 2), np.float32))[""].tolist() == [[[0, 0], [0, 0]]]
    pool = nn.Sequential(nn.MaxPool2d(2, return_indices=True))
    assert feature_maps(pool, np.arange(4, dtype=np.float32).reshape(1, 2, 2))["0"].tolist() == [[[3]]]


def test_the_model_is_left_as_it_was_even_after_an_error():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.9))
    model[1].eval()
    before = model.state_dict()
    first, second = (feature_maps(model, np.ones((1, 5, 5), np.float32))["2"] for _ in range(2))
    np.testing.assert_array_equal(first, second, "dropout dropped")
    with pytest.raises(ValueError, match="takes 1 input channels"):
        feature_maps(model, np.ones((3, 5, 5), np.float32))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all(np.array_equal(before[key], array) for key, array in model.state_dict().items())
    assert not any(vars(module).get("_forward_hooks") for module in model.modules())


@pytest.mark.parametrize(("shape", "hint"), [((1, 1, 5, 5), r"images\[0\]"), ((5, 5), "x.reshape")])
def test_a_batch_or_a_bare_image_is_refused(shape, hint):
    with pytest.raises(ValueError, match=hint):
        feature_maps(nn.ReLU(), np.zeros(shape))
