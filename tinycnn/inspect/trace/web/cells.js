// Walking through the cells of a grid with the keyboard, and pointing at them with a mouse.

/** The name, the number and the marks of a cell, for who hears it or points at it. */
function cellName(cell, { operation }, words) {
  const { tensor, place } = cell.dataset;
  if (tensor === undefined) return words.parts.padding;
  const kinds = ["read", "written", "fed", "missed", "extra", "differs"];
  const marks = kinds.filter((mark) => cell.classList.contains(mark));
  const name = `${placeName(operation, tensor, Number(place), "")} = ${cell.textContent || words.predict.hidden}`;
  return [name, ...marks.map((mark) => words.legend[mark])].join(", ");
}

/** The cell beside another one in its grid, by the key of an arrow. */
function besideCell(cell, key) {
  const row = cell.closest("tr");
  const rows = [...row.parentElement.children];
  const line = rows[rows.indexOf(row) + ({ ArrowUp: -1, ArrowDown: 1 }[key] ?? 0)];
  const column = [...row.children].indexOf(cell) + ({ ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0);
  return line?.children[column]?.closest("td") ?? null;
}

/** Let the keyboard and the mouse choose cells within a container. */
function walkCells(container, choose, nameOf) {
  const lastCells = new WeakMap();

  /** Give the focus to a cell, which tells its name. */
  function enter(cell) {
    cell.setAttribute("aria-label", nameOf(cell));
    cell.focus();
    lastCells.set(cell.closest("table"), cell);
  }

  container.addEventListener("mousedown", (event) => {
    if (!event.target.closest("td[role]")) return;
    event.preventDefault(); // a cell that is clicked is no cell that is walked through: arrows go on stepping
    event.target.closest("table").focus({ preventScroll: true });
  });
  container.addEventListener("click", (event) => {
    const cell = event.target.closest("td[role]");
    if (cell) choose(cell);
  });
  container.addEventListener("mouseover", (event) => {
    const cell = event.target.closest("td[role]");
    if (cell) cell.title = nameOf(cell);
  });
  container.addEventListener("focusout", (event) => {
    if (event.target.matches("td")) event.target.removeAttribute("aria-label");
  });
  container.addEventListener("keydown", (event) => {
    const table = event.target.closest("table"), cell = event.target.closest("td[role]");
    const isPlain = !(event.shiftKey || event.ctrlKey || event.altKey || event.metaKey);
    if (!table || !isPlain) return;
    if (!cell && event.key === "Enter") enter(lastCells.get(table) ?? table.querySelector("td[role]"));
    else if (cell && event.key === "Enter") {
      choose(cell);
      cell.setAttribute("aria-label", nameOf(cell));
    } else if (cell && event.key === "Escape") table.focus();
    else if (cell && event.key.startsWith("Arrow")) {
      const next = besideCell(cell, event.key);
      if (next) enter(next);
    } else return;
    event.preventDefault();
  });
}
