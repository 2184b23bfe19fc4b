"""What SGD must do: where the parameters are after each step."""

import numpy as np

from tinycnn.learn.case import Case

FUNCTIONS = ("SGD",)
EARLIER = ()


def cases(rng):
    """Plain descent, momentum, decay, both, a rate that changes; then random ones. Two parameters in all of them."""
    yield _case("plain descent, one step", [[1.0]], [[1.0]], (0.5,))
    yield _case("momentum, three steps", [[1.0], [0.0], [0.0]], [[1.0], [1.0], [2.0]], (0.5, 0.5, 0.5), momentum=0.5)
    yield _case("weight decay", [[0.0], [0.0]], [[1.0], [0.0]], (0.5, 0.5), decay=0.5)
    yield _case("momentum and weight decay", [[1.0], [0.0]], [[0.0], [1.0]], (0.5, 0.5), momentum=0.5, decay=0.5)
    yield _case("a rate that falls", [[1.0], [1.0], [1.0]], [[2.0], [0.0], [0.0]], (0.5, 0.25, 0.125), momentum=0.5)
    for _ in range(5):
        steps, size = rng.integers(2, 6), rng.integers(1, 4)
        yield Case(
            "random steps",
            p=rng.normal(size=size),
            q=rng.normal(size=(2, size)),
            p_grads=rng.normal(size=(steps, size)),
            q_grads=rng.normal(size=(steps, 2, size)),
            lrs=rng.uniform(0.01, 0.5, steps),
            momentum=float(rng.uniform(0.5, 0.99)),
            weight_decay=float(rng.uniform(0.01, 0.1)),
        )


def expected(p, q, p_grads, q_grads, lrs, momentum, weight_decay):
    """The velocity written out: the decayed gradients of all steps so far, each older one weaker by the momentum."""
    found = {}
    for name, start, grads in (("p", p, p_grads), ("q", q, q_grads)):
        now, pulls, after = start, [], []
        for t, lr in enumerate(lrs):
            pulls.append(grads[t] + weight_decay * now)
            now = now - lr * sum(momentum ** (t - i) * pull for i, pull in enumerate(pulls))
            after.append(now)
        found[name] = np.stack(after)
    return found


def call(module, p, q, p_grads, q_grads, lrs, momentum, weight_decay):
    """All steps; each parameter as it is after each of them."""
    params = [p.copy(), q.copy()]
    optimizer = module.SGD(params, float(lrs[0]), momentum, weight_decay)
    after = []
    for t, lr in enumerate(lrs):
        optimizer.lr = float(lr)
        optimizer.step([p_grads[t], q_grads[t]])
        after.append([param.copy() for param in params])
    return {"p": np.stack([step[0] for step in after]), "q": np.stack([step[1] for step in after])}


def layout(arguments, name, index, expected, got):
    """The steps of the one number that went wrong, as far as that."""
    place, last = index[1:], index[0]
    at = f"{name}[{', '.join(map(str, place))}]"
    momentum, decay = arguments["momentum"], arguments["weight_decay"]
    lines = [f"momentum = {momentum:g}, weight_decay = {decay:g}", f"{at} = {arguments[name][place]:g}"]
    p, v = float(arguments[name][place]), 0.0
    for t in range(last + 1):
        grad, lr = arguments[f"{name}_grads"][t][place], arguments["lrs"][t]
        g = grad + decay * p
        v_then, p_then, v = v, p, momentum * v + g
        p -= lr * v
        lines += [
            "",
            f"step({_told(grad)}), lr = {lr:.4g}",
            f"  g = {_told(grad)} + {decay:.4g}·{_told(p_then)} = {g:.6g}",
            f"  v = {momentum:.4g}·{_told(v_then)} + {_told(g)} = {v:.6g}",
            f"  {at} = {p_then:.6g} − {lr:.4g}·{_told(v)} = {p:.6g}",
        ]
    lines[-1] += f"  ≠ {got[index]:.6g}"
    return "\n".join(lines)


def _case(name, p_grads, q_grads, lrs, momentum=0.0, decay=0.0):
    return Case(
        name,
        p=np.array([1.0]),
        q=np.array([2.0]),
        p_grads=np.array(p_grads),
        q_grads=np.array(q_grads),
        lrs=np.array(lrs),
        momentum=momentum,
        weight_decay=decay,
    )


def _told(value):
    return f"({value:.4g})" if value < 0 else f"{value:.4g}"
