// The views of a pass as tables of cells, drawn once; what changes from step to step are the cells' texts and classes.
// Each grid follows the ARIA pattern of a grid: one place in the order of Tab, Enter to walk through its cells.

const WIDEST = 11; // characters for which a cell makes room

/** The head of a row or of a column. */
function drawnHead(scope, { text, isStart }) {
  const style = isStart ? "start" : "";
  return text ? element("th", { scope, class: style }, text) : element("td", { class: `corner ${style}` });
}

/** A grid of cells: rows and columns with what is written at their heads. */
function drawnGrid(name, caption, rowHeads, columnHeads, cellAt) {
  const head = element("tr", {}, element("td", { class: "corner" }));
  for (const column of columnHeads) head.append(drawnHead("col", column));
  const body = rowHeads.map(({ text, isStart }, row) => {
    const line = element("tr", { class: isStart ? "start" : "" }, drawnHead("row", { text }));
    columnHeads.forEach((column, j) => {
      const cell = cellAt(row, j);
      cell.setAttribute("role", "gridcell");
      if (column.isStart) cell.classList.add("start");
      line.append(cell);
    });
    return line;
  });
  const table = element("table", { role: "grid", tabindex: "0", "aria-label": name, "aria-readonly": "true" });
  table.append(element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { class: "grid" }, element("span", { class: "label" }, caption), table);
}

/** A cell of an entry of a tensor. */
function entryCell(cells, tensor, place) {
  const cell = element("td", { "data-tensor": tensor, "data-place": place, tabindex: "-1" });
  (cells[tensor] ??= [])[place] ??= [];
  cells[tensor][place].push(cell);
  return cell;
}

/** Heads of rows or columns that count from a start; what lies outside the tensor has none. */
function countedHeads(size, before, after) {
  return [...Array(size + before + after).keys()].map((i) => {
    const at = i - before;
    return { text: at < 0 || at >= size ? "·" : String(at), isStart: false };
  });
}

/** What stands in the cells around an image: what can never win where the largest is searched. */
function paddingText(operation, tensor) {
  return operation.operation.startsWith("max_pool") && tensor.role === "input" ? "−∞" : "0";
}

/** A tensor as planes of its last two axes, with cells of padding around them. */
function drawnPlanes(view, tensor, cells, paddingCells, words, padding) {
  const shape = [...Array(Math.max(0, 2 - tensor.shape.length)).fill(1), ...tensor.shape];
  const [height, width] = shape.slice(-2);
  const [top, bottom, left, right] = view.padding;
  return indicesOf(shape.slice(0, -2)).map((index, plane) => {
    const caption = index.length ? `${view.tensor}[${index.join(", ")}]` : view.tensor;
    const name = fill(words.views.plane, { name: caption, rows: height, columns: width });
    const rows = tensor.shape.length > 1 ? countedHeads(height, top, bottom) : [{ text: "", isStart: false }];
    return drawnGrid(name, caption, rows, countedHeads(width, left, right), (i, j) => {
      const [row, column] = [i - top, j - left];
      const isInside = row >= 0 && row < height && column >= 0 && column < width;
      if (isInside) return entryCell(cells, view.tensor, (plane * height + row) * width + column);
      const cell = element("td", { class: "padding", tabindex: "-1" }, padding);
      paddingCells.push({ cell, tensor: view.tensor, index, row, column });
      return cell;
    });
  });
}

/** Heads of rows or columns of a matrix: an index each, a new group where the first of several axes goes on. */
function groupedHeads(indices) {
  return indices.map((index, i) => ({
    text: index.join(" "),
    isStart: i > 0 && index.length > 1 && index[0] !== indices[i - 1][0],
  }));
}

/** A tensor as a matrix, some of its axes along the rows and the others along the columns. */
function drawnMatrix(view, tensor, cells, bands, words) {
  const axes = [...tensor.axes];
  const strides = stridesOf(tensor.shape);
  const sized = (letters) => indicesOf(letters.map((letter) => tensor.shape[axes.indexOf(letter)]));
  const start = (letters, index) =>
    letters.reduce((sum, letter, i) => sum + strides[axes.indexOf(letter)] * index[i], 0);
  const rows = sized(view.rows), columns = sized(view.columns);
  const letters = [view.rows, view.columns].map((each) => each.join(" ") || "1");
  const name = fill(words.views.matrix, { name: view.tensor, rows: letters[0], columns: letters[1] });
  const caption = view.rows.length && view.columns.length ? `${view.tensor}: ${letters.join(" × ")}` : view.tensor;
  return [
    drawnGrid(name, caption, groupedHeads(rows), groupedHeads(columns), (i, j) => {
      const cell = entryCell(cells, view.tensor, start(view.rows, rows[i]) + start(view.columns, columns[j]));
      bands.push({ cell, rows: view.rows, row: rows[i], columns: view.columns, column: columns[j] });
      return cell;
    }),
  ];
}

/** Whether a view can be drawn as the matrix that it asks for. */
function isMatrix(view, tensor) {
  const letters = [...view.rows, ...view.columns];
  const isWhole = letters.length === tensor.shape.length && letters.every((letter) => tensor.axes.includes(letter));
  return view.kind === "matrix" && isWhole;
}

/** How many characters the longest number of a tensor takes in a pass. */
function widthOf(prepared, name) {
  const writes = prepared.phase.steps.flatMap((step) => step.writes).filter(([tensor]) => tensor === name);
  const values = [...prepared.operation.tensors[name].values, ...writes.map(([, , value]) => value)];
  const longest = values.reduce((most, value) => Math.max(most, numberText(value).length), 2);
  return Math.min(WIDEST, longest);
}

/** Draw all views of a pass into a container, and return what of them changes. */
function drawnViews(container, prepared, words) {
  const { operation, phase } = prepared;
  const cells = {}, paddingCells = [], bands = [];
  const boxes = phase.views.flatMap((view, number) => {
    const tensor = operation.tensors[view.tensor];
    if (!tensor) return []; // a function that raised has not made all of them
    const grids = isMatrix(view, tensor)
      ? drawnMatrix(view, tensor, cells, bands, words)
      : drawnPlanes(view, tensor, cells, paddingCells, words, paddingText(operation, tensor));
    const { expected } = operation;
    const isJudged = expected && (view.tensor === expected.result || view.tensor in (expected.reads ?? {}));
    const isSigned = isJudged || (prepared.isScattered && view.tensor === phase.result);
    const style = `view ${view.kind} ${isSigned ? "signed" : ""}`;
    const box = element("div", { class: style, "data-view": number }, ...grids);
    box.style.setProperty("--width", `${widthOf(prepared, view.tensor)}ch`);
    return [box];
  });
  container.replaceChildren(...boxes);
  return { boxes, cells, paddingCells, bands };
}
