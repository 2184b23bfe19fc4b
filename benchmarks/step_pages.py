"""The step pages measured: their size, how long one takes to make and to open, and how fast it plays.

    python -m tinycnn.benchmarks.step_pages [RECORD.json]

It needs Playwright and a Chromium; the figures are of the machine that it runs on.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from tinycnn.inspect.trace.examples import EXAMPLES, example
from tinycnn.inspect.trace.record import Trace
from tinycnn.storage import write_text
from tinycnn.version import __version__
from tinycnn.wording import table

OPENED = 5
"""Times that each page is opened; the median counts."""

FEW = 5
"""Steps that are over before a rate could be told."""

LARGE: dict[str, dict[str, Any]] = {
    "conv2d 3x7x7, 3 kernels": {"input": (3, 7, 7), "kernels": 3, "padding": 1},
    "conv2d im2col 2x6x6": {"input": (2, 6, 6), "algorithm": "im2col"},
    "conv2d winograd 2x6x6": {"input": (2, 6, 6), "algorithm": "winograd"},
}
"""Beside the example of each operation."""

UNTIL_READY = """() => new Promise((done) => {
  const isReady = () => document.querySelector('.tc-trace[data-ready="true"]');
  const look = () => (isReady() ? done(performance.now()) : setTimeout(look));
  look();
})"""
"""Milliseconds from the beginning of the page's loading to the first step drawn."""

AS_FAST_AS_IT_CAN = """() => {
  const root = document.querySelector(".tc-trace"), next = root.querySelector('[data-do="next"]');
  root.querySelector('[data-do="finer"]').click();
  root.querySelector('[data-do="first"]').click();
  const start = performance.now();
  let steps = 0;
  while (performance.now() - start < 1000) {
    const before = location.hash + root.querySelector("#position").textContent;
    next.click();
    void root.offsetHeight;
    if (location.hash + root.querySelector("#position").textContent === before) {
      root.querySelector('[data-do="first"]').click();
      continue;
    }
    steps += 1;
  }
  return steps / ((performance.now() - start) / 1000);
}"""
"""Single steps a second, each drawn and laid out, by as many clicks as fit a second."""


def main() -> None:
    """Measure, print a table, and write the record where a file is named."""
    from playwright.sync_api import sync_playwright

    pages = {name: example(name, {}, backward=True) for name in EXAMPLES}
    pages |= {name: example("conv2d", options, backward=True) for name, options in LARGE.items()}
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        rows = [_measured(browser, name, trace, Path(folder)) for name, trace in pages.items()]
        version = browser.version
        browser.close()
    print(
        table([tuple(rows[0]), *(tuple(str(value) for value in row.values()) for row in rows)], right={1, 2, 3, 4, 5})
    )
    if len(sys.argv) > 1:
        record = {"date": date.today().isoformat(), "tinycnn": __version__, "chromium": version, "pages": rows}
        write_text(Path(sys.argv[1]), json.dumps(record, indent=1) + "\n")


def _measured(browser: Any, name: str, trace: Trace, folder: Path) -> dict[str, Any]:
    path = folder / "page.html"
    start = perf_counter()
    html = trace.to_html(path)
    made = perf_counter() - start
    opened, rates = [], []
    for _ in range(OPENED):
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(path.as_uri())
        opened.append(tab.evaluate(UNTIL_READY))
        if len(trace) > FEW:
            rates.append(tab.evaluate(AS_FAST_AS_IT_CAN))
        tab.close()
    return {
        "page": name,
        "steps": len(trace),
        "bytes": len(html.encode()),
        "made_ms": round(1000 * made),
        "first_step_ms": round(median(opened)),
        "steps_a_second": round(median(rates)) if rates else None,
    }


if __name__ == "__main__":
    main()
