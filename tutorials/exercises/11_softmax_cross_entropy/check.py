"""What softmax cross-entropy must do."""

import math

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("cross_entropy", "cross_entropy_backward")
EARLIER = ()


def cases(rng):
    """Forward and backward: one example, a batch, large logits, then drawn ones."""
    forward, backward = FUNCTIONS
    batch = {"logits": np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]), "targets": np.array([0, 1, 1])}
    one = {"logits": np.array([[0.0, 0.0]]), "targets": np.array([0])}
    large = {"logits": np.array([[1000.0, 1001.0]]), "targets": np.array([0])}
    uneven = {"logits": np.array([[1000.0, 1001.0], [0.0, 1.0]]), "targets": np.array([0, 0])}
    yield Case("forward, one example", function=forward, **one)
    yield Case("forward, three examples", function=forward, **batch)
    yield Case("forward, logits of 1000", function=forward, **large)
    yield Case("forward, a large row and a small one", function=forward, **uneven)
    yield Case(
        "forward, the target is hopeless", function=forward, logits=np.array([[0.0, 1000.0]]), targets=one["targets"]
    )
    yield Case("backward, one example", function=backward, grad=1.0, **one)
    yield Case("backward, three examples", function=backward, grad=6.0, **batch)
    yield Case("backward, a large row and a small one", function=backward, grad=1.0, **uneven)
    for number in range(4):
        N, C = (int(size) for size in rng.integers((3, 3), (7, 7)))
        drawn = {"logits": 3 * rng.normal(size=(N, C)), "targets": rng.integers(C, size=N)}
        upstream = {"grad": float(rng.normal() - 2)} if number % 2 else {}
        yield Case(
            f"{'backward' if upstream else 'forward'}, drawn", function=FUNCTIONS[number % 2], **upstream, **drawn
        )


def call(module, function, **arguments):
    """Forward gives the loss, backward the gradient of the logits."""
    return {"dlogits" if "grad" in arguments else "loss": getattr(module, function)(*arguments.values())}


def expected(function, logits, targets, grad=None):
    """Row by row: log(sum of exp(z)) - z[target] with the largest z taken out of the sum."""
    logs = [[z - _log_sum_exp(row) for z in row] for row in logits.tolist()]
    if grad is None:
        return {"loss": -math.fsum(row[t] for row, t in zip(logs, targets, strict=True)) / len(targets)}
    is_target = np.eye(logits.shape[1])[targets]
    p = np.array([[math.exp(number) for number in row] for row in logs])
    return {"dlogits": grad * (p - is_target) / len(targets)}


def _log_sum_exp(row):
    largest = max(row)
    return largest + math.log(math.fsum(math.exp(z - largest) for z in row))


def layout(arguments, name, index, expected, got):
    """The losses of all rows, or the row of the place."""
    logits, targets = arguments["logits"], arguments["targets"]
    lines = [f"{key} = {value}" for key, value in arguments.items() if key != "logits"]
    lines.append(f"logits =\n{np.array2string(logits, precision=4, suppress_small=True)}")
    if name == "loss":
        losses = [_log_sum_exp(row) - row[t] for row, t in zip(logits.tolist(), targets, strict=True)]
        lines += [f"-log softmax(logits[{n}])[{targets[n]}] = {loss:.6g}" for n, loss in enumerate(losses)]
        numbers = " + ".join(f"{loss:.6g}" for loss in losses)
        return "\n".join([*lines, f"loss = ({numbers}) / {len(targets)} = {expected:.6g}"])
    n, c = index
    p = math.exp(logits[n, c] - _log_sum_exp(logits[n].tolist()))
    lines.append(f"softmax(logits[{n}])[{c}] = {p:.6g}, targets[{n}] = {targets[n]}")
    ours = f"({p:.6g} - {int(targets[n] == c)})"
    return "\n".join(
        [*lines, f"dlogits[{n}, {c}] = {arguments['grad']:g} * {ours} / {len(targets)} = {expected[index]:.6g}"]
    )
