// What the cells say and how they are marked at a step: computed anew from the record each time, then only what differs
// from what is on the screen is changed.

const keyOf = (tensor, place) => `${tensor} ${place}`;

/** The tensors and places that accesses name. */
function placesOf(accesses) {
  return new Set(accesses.map(([tensor, place]) => keyOf(tensor, place)));
}

/** What is on the screen at a stop, or at a single step of it. */
function momentOf(prepared, stopNumber, stepNumber) {
  const stop = prepared.stops[stopNumber];
  const steps = stepsOf(prepared, stop);
  const running = stepNumber === null ? steps.at(-1) : steps[stepNumber];
  const count = stop ? (stepNumber === null ? stop.last + 1 : stop.first + stepNumber + 1) : 0;
  const names = new Set(prepared.phase.stops);
  const ofStop = Object.entries(running?.loops ?? {}).filter(([name]) => names.has(name));
  return {
    ...prepared,
    stop,
    stopNumber,
    stepNumber,
    steps,
    running: running ?? null,
    isStep: stepNumber !== null && running !== undefined,
    count,
    loops: stepNumber === null ? Object.fromEntries(ofStop) : (running?.loops ?? {}),
    result: resultOf(prepared, stop),
    values: replayed(prepared.phase, count),
  };
}

/** The entries that a table of the record names for the results that a stop writes. */
function ofResults(moment, table) {
  const found = new Set();
  for (const [name, result] of moment.steps.flatMap((step) => step.writes)) {
    if (name !== moment.operation.expected.result) continue;
    for (const [tensor, byResult] of Object.entries(table)) {
      for (const place of byResult[result] ?? []) found.add(keyOf(tensor, place));
    }
  }
  return found;
}

/** What is expected to be read in a stop; null where nothing is known. */
function expectedReads(moment) {
  const expected = moment.operation.expected;
  return expected?.reads && moment.phase.result === expected.result ? ofResults(moment, expected.reads) : null;
}

/** What the learner's results of a stop are made of: as it was measured, or else what the stop has read. */
function ownReads(moment, reads) {
  return moment.operation.expected?.yours ? ofResults(moment, moment.operation.expected.yours) : reads;
}

/** Whether two numbers of the record are the same, but for rounding. */
function isSame(one, other) {
  const [a, b] = [valueOf(one), valueOf(other)];
  return Object.is(a, b) || Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}

/** The marks of a moment: for every entry of every tensor, its text, its classes and its count of overlaps. */
function marksOf(moment, hidden, fed) {
  const reads = placesOf(moment.steps.flatMap((step) => step.reads));
  const writes = placesOf(moment.steps.flatMap((step) => step.writes));
  const now = placesOf(moment.isStep ? [...moment.running.reads, ...moment.running.writes] : []);
  const expected = expectedReads(moment);
  const own = ownReads(moment, reads);
  const values = moment.operation.expected?.values;
  const isJudged = (tensor) => values && tensor === moment.operation.expected.result;
  const hiddenKey = hidden && moment.result ? keyOf(moment.result[0], moment.result[1]) : null;
  return (tensor, place) => {
    const key = keyOf(tensor, place);
    const known = moment.writes[tensor];
    const by = known?.stops.get(place);
    const written = moment.values[tensor]?.get(place);
    const value = by ? (written ?? known.before.get(place)) : moment.operation.tensors[tensor].values[place];
    const text = key === hiddenKey ? "?" : value === undefined ? "" : numberText(value);
    const classes = [];
    if (by && written === undefined) classes.push("pale");
    if (writes.has(key)) classes.push("written");
    else if (reads.has(key)) classes.push("read");
    if (now.has(key)) classes.push("now");
    if (expected && tensor in moment.operation.expected.reads) {
      if (expected.has(key) && !own.has(key)) classes.push("missed");
      if (own.has(key) && !expected.has(key)) classes.push("extra");
    }
    if (isJudged(tensor) && written !== undefined && values[place] !== null && key !== hiddenKey && !isSame(written, values[place])) {
      const isLater = by.at(-1) > moment.stopNumber || (moment.isStep && by.at(-1) === moment.stopNumber);
      if (!isLater) classes.push("differs");
    }
    if (fed?.outputs.has(key)) classes.push("fed");
    if (fed?.key === key) classes.push("chosen");
    let count = "";
    if (moment.isScattered && tensor === moment.phase.result && by?.length > 1) {
      count = `${by.filter((number) => number <= moment.stopNumber).length}/${by.length}`;
    }
    return { text, style: classes.join(" "), count };
  };
}

/** Put the marks of a moment on the cells. */
function paint(views, moment, mark) {
  for (const [tensor, places] of Object.entries(views.cells)) {
    places.forEach((cells, place) => {
      const { text, style, count } = mark(tensor, place);
      const key = `${text}|${style}|${count}`;
      for (const cell of cells) {
        if (cell.tcKey === key) continue;
        cell.tcKey = key;
        cell.textContent = text;
        cell.className = `${style}${cell.classList.contains("start") ? " start" : ""}${cell.classList.contains("band") ? " band" : ""}`;
        if (count) cell.dataset.count = count;
        else delete cell.dataset.count;
      }
    });
  }
  for (const { cell, rows, row, columns, column } of views.bands) {
    const isRow = isAtLoops(rows, row, moment.loops), isColumn = isAtLoops(columns, column, moment.loops);
    cell.classList.toggle("band", isRow || isColumn);
    cell.classList.toggle("crossed", isRow && isColumn);
  }
  const isCovered = windowOf(moment);
  for (const { cell, tensor, index, row, column } of views.paddingCells) {
    cell.classList.toggle("window", isCovered(tensor, index, row, column));
  }
}

/** Which cells of padding the window of a stop covers, beside the entries that it reads or writes. */
function windowOf(moment) {
  const { stride, padding, dilation = [1, 1], kernel_size: given } = moment.operation.parameters;
  const size = given ?? moment.operation.tensors.weight?.shape.slice(2);
  const { p, q } = { ...moment.running?.loops };
  if (!stride || !padding || !size || p === undefined || q === undefined) return () => false;
  const view = moment.phase.views.find((each) => each.padding.some(Boolean));
  const covers = (at, loop, axis) => {
    const first = loop * stride[axis] - (view ? view.padding[2 * axis] : 0);
    const offset = at - first;
    return offset >= 0 && offset % dilation[axis] === 0 && offset / dilation[axis] < size[axis];
  };
  const planes = new Set(
    moment.steps.flatMap((step) => [...step.reads, ...step.writes]).map(([tensor, place]) => {
      const shape = moment.operation.tensors[tensor]?.shape;
      return shape && place >= 0 ? `${tensor} ${indexOf(shape, place).slice(0, -2)}` : "";
    }),
  );
  return (tensor, index, row, column) => {
    return planes.has(`${tensor} ${index}`) && view?.tensor === tensor && covers(row, p, 0) && covers(column, q, 1);
  };
}

/** The results that an entry feeds in a pass. */
function fedBy({ phase }, tensor, place) {
  const outputs = new Set();
  for (const { reads, writes } of phase.steps) {
    if (!reads.some(([name, at]) => name === tensor && at === place)) continue;
    for (const [name, at] of writes) if (name !== tensor || at !== place) outputs.add(keyOf(name, at));
  }
  return { key: keyOf(tensor, place), tensor, place, outputs };
}
