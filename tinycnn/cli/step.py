"""``tinycnn step``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from tinycnn.choices import look_up
from tinycnn.cli.options import Number, Place, Sizes, Whole, sizes
from tinycnn.cli.status import DONE
from tinycnn.texts import LANGUAGES

PADDINGS = ("same", "valid", "full")


def padding(kind: Any, tokens: Sequence[Token]) -> tuple[int, ...] | str:
    """Sizes from a word such as 1 or 1x2, or a word that stands for some."""
    (token,) = tokens
    return token.value if token.value in PADDINGS else sizes(kind, tokens)


Padding = Annotated[tuple[int, ...] | str, Parameter(converter=padding, n_tokens=1)]


def step(
    what: str | None = None,
    *,
    input: Sizes | None = None,
    kernel: Sizes | None = None,
    kernels: Whole | None = None,
    stride: Sizes | None = None,
    padding: Padding | None = None,
    dilation: Sizes | None = None,
    groups: Whole | None = None,
    algorithm: str | None = None,
    size: Whole | None = None,
    alpha: Number | None = None,
    beta: Number | None = None,
    p: Number | None = None,
    lr: Number | None = None,
    momentum: Number | None = None,
    backward: bool = False,
    seed: Whole = 0,
    phase: str | None = None,
    stop: Whole | None = None,
    html: Place | None = None,
    svg: Place | None = None,
    png: Place | None = None,
    model: str | None = None,
    image: Place | None = None,
    out: Place | None = None,
    label: str | None = None,
    language: str = "en",
    json: bool = False,
) -> int:
    """Step through an operation number by number, forward and backward: with keys, as a page, or as a sheet to print.

    Parameters
    ----------
    what
        An operation such as conv, pool, relu, lrn, softmax or sgd; graph is several of them and the walk back.
    input
        Size of the input: 5x5, 2x5x5 with channels, 1x2x5x5 with images; images x classes for softmax.
    kernel
        Size of the kernel or window, 3 or 3x2.
    kernels
        How many: output channels of a convolution, outputs of a linear layer.
    stride, dilation
        One size or two.
    padding
        One size, two or four, or same, valid or full.
    groups
        Of channels.
    algorithm
        Of convolution: direct, im2col or winograd.
    size, alpha, beta
        Of local response normalisation.
    p
        Probability of dropping.
    lr, momentum
        Of an SGD step.
    backward
        Also walk back.
    seed
        Of the numbers.
    phase
        The pass to show, such as forward or backward_input.
    stop
        Number of the stop to show, from 1.
    html
        Write the page on which all steps are walked through.
    svg, png
        Write one stop as a sheet to print; the one in the middle where no other is named.
    model
        A trained network instead of one operation, such as lenet5, layer by layer; it needs an image.
    image
        For the model.
    out
        Folder of the model's pages.
    label
        The class that the model's loss is held against; the likeliest where not given.
    language
        Of what is shown: en or ko.
    json
        Print the record as one JSON object on the last line.
    """
    look_up("language", language, {name: name for name in LANGUAGES})
    options: dict[str, Any] = {
        "input": input,
        "kernel": kernel,
        "kernels": kernels,
        "stride": stride,
        "padding": padding,
    }
    options |= {"dilation": dilation, "groups": groups, "algorithm": algorithm, "size": size, "alpha": alpha}
    options |= {"beta": beta, "p": p, "lr": lr, "momentum": momentum}
    of_operations = {name: value for name, value in options.items() if value is not None}
    of_models = {"image": image, "out": out, "label": label}
    shown = {"phase": phase, "stop": stop, "html": html, "svg": svg, "png": png}
    if model is not None:
        _require_none(f"--model {model}", {**of_operations, **shown, "backward": backward or None}, what)
        from tinycnn.cli.step_model import step_model

        return step_model(model=model, image=image, out=out, label=label, language=language, json=json)
    from tinycnn.inspect.trace.examples import EXAMPLES, example

    if what is None:
        raise ValueError(f"step needs an operation, one of {', '.join(EXAMPLES)}, or --model lenet5 --image FILE")
    for name, value in of_models.items():
        if value is not None:
            raise ValueError(f"--{name} is for a whole network: add --model lenet5, or leave it out")
    if seed < 0:
        raise ValueError(f"--seed must be at least 0, got {seed}")
    traced = example(what, of_operations, seed, backward)
    return _show(traced, phase, stop, html, svg, png, language, json)


def _require_none(model: str, given: Mapping[str, Any], what: str | None) -> None:
    if what is not None:
        raise ValueError(f"{what} is an operation and {model} a network: name one of them")
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"--{name} is for one operation: leave it out, or {model}")


def _show(
    traced: Any,
    phase: str | None,
    stop: int | None,
    html: Any,
    svg: Any,
    png: Any,
    language: str,
    json: bool,
) -> int:
    operations = traced.record["operations"]
    if (phase is not None or stop is not None) and traced.record["graph"] is not None:
        raise ValueError("--phase and --stop choose within one operation: leave them out for a graph of several")
    phases = {each["name"]: i for i, each in enumerate(operations[0]["phases"])} if operations else {}
    number = None if phase is None else look_up("pass", phase, phases)
    at = None if stop is None else _stop(operations[0], number or 0, stop)
    if html is not None:
        traced.to_html(html, language)
        place = f"#operation=0&phase={number or 0}&stop={at or 0}" if number is not None or at is not None else ""
        print(f"page: {html}{place}")
    if svg is not None:
        traced.to_svg(svg, language, 0, number or 0, at)
        print(f"sheet: {svg}")
    if png is not None:
        traced.to_png(png, language, 0, number or 0, at)
        print(f"sheet: {png}")
    if html is None and svg is None and png is None:
        _walk(traced, number, at, language, json)
    if json:
        print(traced.to_json())
    return DONE


def _walk(traced: Any, phase: int | None, stop: int | None, language: str, json: bool) -> None:
    from tinycnn.inspect.trace.terminal import printed, walk
    from tinycnn.learn.terminal import is_terminal

    if json:
        print(traced)
    elif is_terminal() and traced.record["graph"] is None:
        walk(traced.record, language, phase or 0, stop or 0)
    else:
        within = 0 if stop is not None and phase is None else phase
        sys.stdout.write(printed(traced.record, language, within, stop))


def _stop(operation: Mapping[str, Any], phase: int, stop: int) -> int:
    from tinycnn.inspect.trace.stops import stops_of

    found = operation["phases"][phase]
    count = len(stops_of(found))
    if not 1 <= stop <= count:
        raise ValueError(f"--stop of {found['name']} is from 1 to {count}, got {stop}")
    return stop - 1
