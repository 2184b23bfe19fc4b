"""Mistakes in the backward passes of pooling."""

from tests.inspect.mutants.table import Mutant

# fmt: off
MAX = [
    Mutant("overlapping windows overwrite each other", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward", "h, w] += np.where", "h, w] = np.where", "overwritten"),
    Mutant("the last window that a cell has won overwrites the others", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward",
        "h, w] += np.where(won, grad[:, :, p, q], grad.dtype.type(0))",
        "h, w] = np.where(won, grad[:, :, p, q], dx[:, :, h, w])", "overwritten"),
    Mutant("the padding on the left is forgotten when the winner is found again", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward",
        "return dx", "return np.pad(dx, ((0, 0), (0, 0), (0, 0), (1, 0)))[..., :-1]", "shifted"),
    Mutant("the gradient passes where it is positive", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward", "np.where(won,", "np.where(won & (grad[:, :, p, q] > 0),",
        "upstream sign"),
    Mutant("backward counts how often each cell has won", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward", "h, w] += np.where(won, grad[:, :, p, q], grad.dtype.type(0))",
        "h, w] += won", "upstream ignored"),
    Mutant("windows that hang over the top are skipped", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward", "grad[:, :, p, q]",
        "grad[:, :, p, q] * (np.arange(geometry.P)[p, None] > 0)", "missing terms", "border"),
    Mutant("the last channel is never visited", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward", "return dx", "dx[:, -1] = 0\n    return dx", "one part",
        "missing terms"),
    Mutant("the gradient goes to all cells of the window", "max_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward", "np.where(won,", "np.where(True,", "wrong entry"),
    Mutant("overlapping windows overwrite each other's minima", "min_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward", "h, w] += np.where", "h, w] = np.where", "overwritten"),
    Mutant("the winner's gradient is divided by the cells of its window", "min_pool2d",
        "kernels.numpy.pooling:max_pool2d_backward",
        "return dx", "return dx / (geometry.R * geometry.S)", "constant ratio"),
    Mutant("one of the two signs is forgotten", "min_pool2d",
        "functional.pooling:MaxPool2d.backward", "return self", "return -self", "sign"),
    Mutant("the winner of the image is sought from its end", "global_max_pool2d",
        "functional.reduction:Max.backward",
        "self.winner, grad", "self.shape[self.dim] - 1 - self.winner, grad", "rotated"),
    Mutant("the maxima of an image's channels get their gradients in reverse", "global_max_pool2d",
        "functional.reduction:Max.backward", "self.winner, grad,", "self.winner, grad[:, ::-1],", "upstream order"),
    Mutant("unpooling's gradient is read as ones", "max_unpool2d",
        "kernels.numpy.pooling:max_unpool2d_backward",
        "np.where(stayed, taken,", "np.where(stayed, np.ones_like(taken),", "upstream ignored"),
    Mutant("unpooling is taken for a dead end", "max_unpool2d",
        "kernels.numpy.pooling:max_unpool2d_backward", "np.where(stayed, taken,", "np.where(stayed, 0 * taken,",
        "zero"),
]

MEAN = [
    Mutant("overlapping averages overwrite each other", "avg_pool2d",
        "kernels.numpy.pooling:window_spread", "h, w] += grad", "h, w] = grad", "overwritten"),
    Mutant("the average is divided by the window a second time", "avg_pool2d",
        "kernels.numpy.pooling:avg_pool2d_backward",
        "return window_spread(grad ", "return window_spread(grad / (geometry.R * geometry.S) ", "constant ratio"),
    Mutant("the padding is counted in backward alone", "avg_pool2d",
        "kernels.numpy.pooling:avg_pool2d_backward", "count(include_pad)", "count(True)", "border"),
    Mutant("windows are visited from the bottom up", "avg_pool2d",
        "kernels.numpy.pooling:avg_pool2d_backward",
        "return window_spread(grad ", "return window_spread(grad[:, :, ::-1] ", "upstream order"),
    Mutant("the image's mean forgets how many cells it has", "global_avg_pool2d",
        "functional.reduction:Mean.backward", "grad / count", "grad", "constant ratio"),
    Mutant("the gradient of the image's mean is spread over the first row of cells", "global_avg_pool2d",
        "functional.reduction:Mean.backward", "return np.broadcast_to(grad / count, self.shape)",
        "dx = np.broadcast_to(grad / count, self.shape).copy()\n    dx[..., 1:, :] = 0\n    return dx", ""),
    Mutant("bins that share a row overwrite each other", "adaptive_avg_pool2d",
        "kernels.numpy.pooling:adaptive_avg_pool2d_backward", "dx[:, :, cells] += ", "dx[:, :, cells] = ",
        "overwritten"),
    Mutant("bins are laid out from the bottom up", "adaptive_avg_pool2d",
        "kernels.numpy.pooling:adaptive_avg_pool2d_backward",
        "enumerate(bins(size[0], P))", "enumerate(bins(size[0], P)[::-1])", "upstream order", "rotated"),
    Mutant("the right half of the image is left out", "adaptive_avg_pool2d",
        "kernels.numpy.pooling:adaptive_avg_pool2d_backward",
        "return dx", "dx[..., size[1] // 2 :] = 0\n    return dx", "one part"),
]

LP = [
    Mutant("Lp pooling without its root", "lp_pool2d",
        "kernels.numpy.pooling:lp_pool2d_backward", "grad / nonzero ** (norm_type - 1)", "grad", ""),
    Mutant("the exponent is brought down and never cancelled", "lp_pool2d",
        "kernels.numpy.pooling:lp_pool2d_backward", "return np.sign(x)", "return norm_type * np.sign(x)",
        "constant ratio"),
    Mutant("Lp pooling forgets the sign of what it took the size of", "lp_pool2d",
        "kernels.numpy.pooling:lp_pool2d_backward", "np.sign(x) * ", "", ""),
    Mutant("overlapping norms overwrite each other", "lp_pool2d",
        "kernels.numpy.pooling:window_spread", "h, w] += grad", "h, w] = grad", "overwritten"),
    Mutant("the last row of norms is never visited", "lp_pool2d",
        "kernels.numpy.pooling:window_spread", "grad[:, :, p, q]",
        "grad[:, :, p, q] * (np.arange(geometry.P)[p, None] < geometry.P - 1)", "missing terms", "border"),
]

TO_ALL_MAXIMA = """x = self.inputs[0].data
    largest = self.kernels.max_pool2d_forward(x, self.geometry)[0]
    dx = np.zeros_like(x)
    for _, _, p, q, h, w in self.geometry.taps:
        dx[:, :, h, w] += {share} * grad[:, :, p, q] * (x[:, :, h, w] == largest[:, :, p, q])
    return dx"""

MAXIMA_OF_AN_AXIS = """x = self.inputs[0].data
    is_largest = x == x.max(self.dim, keepdims=True)
    dx = {share} * grad * is_largest"""

TIE_MUTANTS = [
    Mutant("every maximum of a tie gets the whole gradient", "max_pool2d",
        "functional.pooling:MaxPool2d.backward",
        "return self.kernels.max_pool2d_backward(grad, self.winner, self.geometry)",
        TO_ALL_MAXIMA.format(share="1"), "tie"),
    Mutant("minima that tie get twice their gradient", "min_pool2d",
        "functional.pooling:MaxPool2d.backward",
        "return self.kernels.max_pool2d_backward(grad, self.winner, self.geometry)",
        TO_ALL_MAXIMA.format(share="(1 + ((x == np.roll(x, 1, -1)) | (x == np.roll(x, -1, -1))))[:, :, h, w]"), "tie"),
    Mutant("every maximum of an axis gets the whole gradient", "max",
        "functional.reduction:Max.backward",
        "np.put_along_axis(dx, self.winner, grad, self.dim)", MAXIMA_OF_AN_AXIS.format(share="1"), "tie"),
    Mutant("the gradient is multiplied by the maxima of the image", "global_max_pool2d",
        "functional.reduction:Max.backward",
        "np.put_along_axis(dx, self.winner, grad, self.dim)",
        MAXIMA_OF_AN_AXIS.format(share="is_largest.sum(self.dim, keepdims=True)"), "tie"),
]
# fmt: on

POOLING = [*MAX, *MEAN, *LP]
