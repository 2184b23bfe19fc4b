"""What the tests of the documentation share: its sources, a notebook among the tutorials, and the pages of a site."""

import json
from pathlib import Path

import numpy as np

import tinycnn as tc
from tests.test_structure import ROOT

DOCS = ROOT / "docs"
SAMPLE = "00_sample"


def display(source, **data):
    """A cell that shows something, as it stands in an executed notebook."""
    output = {"output_type": "display_data", "metadata": {}, "data": data}
    return {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": source, "outputs": [output]}


def notebook():
    """Each kind of output that a tutorial has."""
    image, kernel = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    step_page = tc.trace(tc.functional.conv2d, image, kernel)._repr_html_()
    picture = '<img alt="A wide box" src="data:image/svg+xml;base64,%s">'
    svg = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHdpZHRoPSI5MDAiIGhlaWdodD0iMjAiLz4="
    wide = "".join(f'<th scope="col">column_number_{i}</th>' for i in range(9))
    text = "# 0. A sample\n\nWith $x_i$ in a line.\n\n## By hand\n\n$$y[p] = \\sum_r w[r] \\, x[p + r]$$"
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": text},
        display("trace", **{"text/html": step_page}),
        display("picture", **{"text/html": picture % svg}),
        display("table", **{"text/html": f"<table><thead><tr>{wide}</tr></thead></table>"}),
        display("words", **{"text/markdown": "So **it** is $\\frac{1}{2}$:\n\n$$\\sqrt{x}$$"}),
        display("line", **{"text/plain": "one long line " * 30}),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return json.dumps(
        {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    )


def pages(built: Path) -> list[Path]:
    """All pages, in order."""
    return sorted(path for path in built.rglob("*.html") if "_static" not in path.parts)
