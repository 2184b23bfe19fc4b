"""A tab with a page in it, which must say nothing and ask for nothing; and all that can be seen on it, at once."""

import json
from contextlib import contextmanager

from tests.oracles import oracle

sync_api = oracle("playwright.sync_api")

SEEN = """
window.seen = () => {
  const root = document.querySelector(".tc-trace"), text = (s) => root.querySelector(s).textContent;
  const views = [...root.querySelectorAll("[data-view]")].map((view) => {
    const tensors = {}, marks = {};
    for (const cell of view.querySelectorAll("[data-tensor]")) {
      const { tensor, place, count } = cell.dataset;
      (tensors[tensor] ??= [])[Number(place)] = cell.textContent;
      for (const mark of [...cell.classList, ...(count ? ["count"] : [])]) {
        ((marks[mark] ??= {})[tensor] ??= []).push(mark === "count" ? [Number(place), count] : Number(place));
      }
    }
    for (const all of Object.values(marks)) for (const places of Object.values(all)) places.sort((a, b) => a - b);
    const padding = [...view.querySelectorAll("td.padding")];
    return {
      tensors, marks, kind: view.classList.contains("planes") ? "planes" : "matrix",
      padding: padding.map((cell) => cell.textContent),
      window: padding.filter((cell) => cell.classList.contains("window")).length,
    };
  });
  const rows = [...root.querySelectorAll("#terms tbody tr")];
  return {
    views, position: text("#position"), sentence: text("#sentence"), line: text("#line"), overlap: text("#overlap"),
    bytes: text("#bytes"), feeds: text("#feeds"), verdict: text("#verdict"), score: text("#score"),
    terms: rows.map((row) => [...row.children].map((cell) => cell.textContent)),
    currentTerms: rows.flatMap((row, i) => (row.getAttribute("aria-current") ? [i] : [])),
    running: [...root.querySelectorAll("#source [aria-current=true]")].map((line) => Number(line.dataset.line)),
    isAtEnd: root.querySelector("[data-do=next]").ariaDisabled === "true",
    isAtStart: root.querySelector("[data-do=previous]").ariaDisabled === "true",
    phase: Number(root.querySelector("#phase").value), hash: location.hash,
  };
};
"""
WALK = """
([phase, finer]) => {
  const root = document.querySelector(".tc-trace"), select = root.querySelector("#phase");
  select.value = phase;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  if (finer) root.querySelector("[data-do=finer]").click();
  const next = root.querySelector("[data-do=next]"), states = [seen()];
  while (next.ariaDisabled !== "true" && states.length < 5000) {
    next.click();
    states.push(seen());
  }
  return JSON.stringify(states);
}
"""
"""Go through a pass, from its first stop to its last, by its buttons."""


@contextmanager
def opened(browser, path, fragment="", **options):
    """The page of a file in a tab of its own.

    Fails when the page says something, raises, or asks for anything but itself.
    """
    with browser.new_context(**options) as context:
        tab = context.new_page()
        said, asked = [], []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        context.route("http*://**", lambda route: route.abort())
        tab.goto(path.as_uri() + fragment)
        if options.get("java_script_enabled", True):
            try:
                tab.wait_for_selector(".tc-trace[data-ready=true]", state="attached", timeout=10_000)
            except sync_api.TimeoutError:
                assert said == []  # why it does not start
                raise
            tab.evaluate(SEEN)
        yield tab
        assert said == []
        assert {url.split("#")[0] for url in asked} == {path.as_uri()}


def told(tab, script, given=None):
    """What a script returns as JSON, as playwright's own way to hand over many objects takes longer."""
    return json.loads(tab.evaluate(script, given))


def seen(tab):
    """What is on the screen."""
    return told(tab, "() => JSON.stringify(seen())")


def walk(tab, phase, finer=False):
    """What is on the screen at each stop of a pass, or at each of its steps."""
    return told(tab, WALK, [phase, finer])


def marked(state, mark):
    """The places of each tensor that have a mark, in any view."""
    found = {}
    for view in state["views"]:
        for tensor, places in view["marks"].get(mark, {}).items():
            found.setdefault(tensor, set()).update(tuple(p) if isinstance(p, list) else p for p in places)
    return found
