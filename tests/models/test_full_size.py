"""One full-size forward and backward of each model, in float64, against the same layers in PyTorch."""

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import oracle
from tinycnn import nn

torch = oracle("torch")

MODELS = {
    "lenet5": (lambda: tc.models.lenet5(), (4, 1, 32, 32)),
    "alexnet": (lambda: tc.models.alexnet(), (2, 3, 227, 227)),
    "alexnet single": (lambda: tc.models.alexnet("single"), (1, 3, 227, 227)),
    "alexnet one_weird_trick": (lambda: tc.models.alexnet("one_weird_trick"), (1, 3, 224, 224)),
    "vgg11": (tc.models.vgg11, (1, 3, 224, 224)),
    "vgg11 batch_norm": (lambda: tc.models.vgg11(batch_norm=True), (2, 3, 224, 224)),
    "vgg11_lrn": (tc.models.vgg11_lrn, (1, 3, 224, 224)),
    "vgg13": (tc.models.vgg13, (1, 3, 224, 224)),
    "vgg16_1x1": (tc.models.vgg16_1x1, (1, 3, 224, 224)),
    "vgg16": (tc.models.vgg16, (1, 3, 224, 224)),
    "vgg19": (tc.models.vgg19, (1, 3, 224, 224)),
}


@pytest.fixture(autouse=True)
def _memory_given_back():
    """The next model has other sizes, and two workers hold a model each."""
    yield
    if "numba" in tc.available_backends():
        from tinycnn.kernels.numba.workspace import WORKSPACE

        WORKSPACE.release()


def torch_layer(layer):
    """The function of a layer in PyTorch, and the Parameters it uses as PyTorch tensors that share their memory."""
    f = torch.nn.functional
    weights = [torch.from_numpy(p.data).requires_grad_() for p in layer.parameters()]
    match layer:
        case nn.Conv2d():
            return lambda x: f.conv2d(x, *weights, layer.stride, layer.padding, layer.dilation, layer.groups), weights
        case nn.Linear():
            return lambda x: f.linear(x, *weights), weights
        case nn.BatchNorm2d():
            return lambda x: f.batch_norm(x, None, None, *weights, training=True), weights
        case nn.LocalResponseNorm():
            return lambda x: f.local_response_norm(
                x, layer.size, layer.alpha * layer.size, layer.beta, layer.k
            ), weights
        case nn.MaxPool2d():
            return lambda x: f.max_pool2d(x, layer.kernel_size, layer.stride), weights
        case nn.AvgPool2d():
            return lambda x: f.avg_pool2d(x, layer.kernel_size), weights
        case nn.AdaptiveAvgPool2d():
            return lambda x: f.adaptive_avg_pool2d(x, layer.size), weights
        case nn.ReLU():
            return torch.relu, weights
        case nn.Tanh():
            return torch.tanh, weights
        case nn.Flatten():
            return lambda x: x.flatten(1), weights
        case nn.Dropout() | nn.Identity():
            return lambda x: x, weights
    raise NotImplementedError(type(layer))


@pytest.mark.parametrize("name", MODELS)
def test_forward_and_backward_agree_with_pytorch(name, rng):
    build, shape = MODELS[name]
    tc.manual_seed(11)
    model = build().astype(np.float64)
    for module in model.modules():
        module.training = not isinstance(module, nn.Dropout)
    images = rng.standard_normal(shape)
    logits = model(tc.Tensor(images))
    upstream = rng.standard_normal(logits.shape)
    logits.backward(upstream)

    x = torch.from_numpy(images)
    weights = []
    for _, layer in model.named_modules():
        if not any(layer.children()):
            function, its_weights = torch_layer(layer)
            x = function(x)
            weights += its_weights
    x.backward(torch.from_numpy(upstream))

    assert np.abs(logits.data - x.detach().numpy()).max() < 1e-9 * np.abs(logits.data).max()
    largest = max(np.abs(parameter.grad).max() for parameter in model.parameters())
    for (key, parameter), weight in zip(model.named_parameters(), weights, strict=True):
        error = np.abs(parameter.grad - weight.grad.numpy()).max()
        rounding = 1e-13 * largest  # all there is of the gradient of a bias that batch normalisation takes off again
        assert 0 <= error < 1e-8 * np.abs(parameter.grad).max() + rounding, key
