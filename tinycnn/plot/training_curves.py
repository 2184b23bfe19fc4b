"""Training curves as SVG that is written into a page and takes the page's colours and fonts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from typing import Any

from tinycnn.optional import require

# matplotlib draws with colours that nothing else has; each then becomes a variable of the page's style sheet.
TRAINING, VALIDATION, TEXT, RULE = "#010203", "#010204", "#010205", "#010206"
VARIABLES = {TRAINING: "--training", VALIDATION: "--validation", TEXT: "--soft", RULE: "--rule"}
SIZE = (4.2, 2.8)  # inches of 72 units: labels of 10 units stay readable where a phone shows it at about this width
STYLE = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib; the page's own font, which is not wider, takes its place
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "tinycnn",  # the same picture gives the same text
    "text.color": TEXT,
    "axes.edgecolor": RULE,
    "axes.labelcolor": TEXT,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 7,
}


def training_curve(history: Sequence[Mapping[str, Any]], quantity: str, kept: int, title: str) -> str:
    """Draw one quantity of a training by epoch, and that of its validation where there is one.

    Parameters
    ----------
    history
        Rows of `tinycnn.training.Trainer.history`, at least one.
    quantity
        ``"loss"`` or ``"accuracy"``; the latter is drawn in percent.
    kept
        The epoch whose model was kept; a dotted line marks it.
    title
        What a screen reader says of the picture.

    Returns
    -------
    str
        An ``<svg>`` element: well-formed, without a namespace, with text as text. Its colours are the variables
        ``--training``, ``--validation``, ``--soft`` and ``--rule`` of the page.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed.
    """
    style, figures, ticker = (require(f"matplotlib.{name}", "plots") for name in ("style", "figure", "ticker"))
    epochs = [row["epoch"] for row in history]
    with style.context(["default", STYLE]):
        figure = figures.Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot(xlabel="epoch")
        whole: dict[str, Any] = {"clip_on": False}  # nothing reaches outside, and a clip path would need a name
        axes.axvline(kept, color=TEXT, linewidth=1, linestyle=":", **whole)
        for name, label, line in (
            (f"validation_{quantity}", "validation", {"color": VALIDATION, "linestyle": "--", "marker": "s"}),
            (quantity, "training", {"color": TRAINING, "linestyle": "-", "marker": "o"}),
        ):
            if name in history[0]:
                values = [row[name] for row in history]
                every = -(-len(values) // 12)  # more marks than a dozen would hide the line
                axes.plot(epochs, values, label=label, linewidth=1.8, markersize=4, markevery=every, **line, **whole)
        axes.grid(axis="y", color=RULE, linewidth=0.8, **whole)
        axes.set_axisbelow(True)
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
        if quantity == "accuracy":
            axes.yaxis.set_major_formatter(lambda part, _: f"{100 * part:.6g} %")
        if quantity == "loss":
            axes.set_ylim(bottom=0)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2, reverse=True)
        text = StringIO()
        figure.savefig(
            text, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    return _for_a_page(text.getvalue(), quantity, title)


def _for_a_page(svg: str, name: str, title: str) -> str:
    """Take out what belongs to a file of its own, and make names differ from those of other pictures on the page."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = (
        re.sub(r'<g id="[^"]*"', "<g", body)
        .replace(' id="', f' id="{name}-')
        .replace('xlink:href="#', f'href="#{name}-')
    )
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    width, height = (72 * inches for inches in SIZE)
    label = escape(title)
    return f'<svg class="curve" role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}">{body.strip()}'
