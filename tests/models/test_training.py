"""LeNet-5 on real digits: the same weights and batches give the same losses in PyTorch, step by step."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.oracles import data_file, oracle
from tinycnn.data import read_idx

torch = oracle("torch")


def digits(dtype):
    images = read_idx(data_file("mnist/train-images-idx3-ubyte.gz"))[:6400]
    labels = read_idx(data_file("mnist/train-labels-idx1-ubyte.gz"))[:6400].astype(np.int64)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(-1, 1, 32, 32)
    return (padded.astype(dtype) / 255 - dtype(0.1307)) / dtype(0.3081), labels


def torch_twin(model):
    layers = torch.nn
    twin = layers.Sequential(
        layers.Conv2d(1, 6, 5),
        layers.Tanh(),
        layers.AvgPool2d(2),
        layers.Conv2d(6, 16, 5),
        layers.Tanh(),
        layers.AvgPool2d(2),
        layers.Conv2d(16, 120, 5),
        layers.Tanh(),
        layers.Flatten(),
        layers.Linear(120, 84),
        layers.Tanh(),
        layers.Linear(84, 10),
    )
    for target, source in zip(twin.parameters(), model.parameters(), strict=True):
        target.data = torch.from_numpy(source.data.copy())
    return twin


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)], ids=["float32", "float64"])
def test_100_steps_agree_with_pytorch(dtype, tolerance):
    images, labels = digits(dtype)
    tc.manual_seed(1)
    model = tc.models.lenet5().astype(dtype)
    twin = torch_twin(model)
    ours = tc.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    theirs = torch.optim.SGD(twin.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    losses, expected = [], []
    for step in range(100):
        batch = slice(64 * step, 64 * (step + 1))
        ours.zero_grad()
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        ours.step()
        losses.append(loss.item())

        theirs.zero_grad()
        loss = torch.nn.functional.cross_entropy(twin(torch.from_numpy(images[batch])), torch.from_numpy(labels[batch]))
        loss.backward()
        theirs.step()
        expected.append(loss.item())
    assert expected[-1] < 0.5 * expected[0]  # it learned: equal losses of a net that stands still would show little
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
