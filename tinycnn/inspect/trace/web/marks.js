// What the cells say and how they are marked at a step: computed anew from the record each time, then only what differs
// from what is on the screen is changed.

const keyOf = (tensor, place) => `${tensor} ${place}`;

/** The tensor and the place of a key; the name of a tensor may have spaces. */
const accessOf = (key) => [key.slice(0, key.lastIndexOf(" ")), Number(key.slice(key.lastIndexOf(" ")))];

/** The tensors and places that accesses name. */
function placesOf(accesses) {
  return new Set(accesses.map(([tensor, place]) => keyOf(tensor, place)));
}

/** What is on the screen at a stop, or at a single step of it; an entry that is asked for is not told. */
function momentOf(prepared, stopNumber, stepNumber, isAsking) {
  const stop = prepared.stops[stopNumber];
  const steps = stepsOf(prepared, stop);
  const result = resultOf(prepared, stop);
  const computes = (step) => step.writes.some(([tensor, place]) => tensor === result?.[0] && place === result[1]);
  const running = (stepNumber === null ? (steps.findLast(computes) ?? steps.at(-1)) : steps[stepNumber]) ?? null;
  const isStep = stepNumber !== null && running !== null;
  const count = stop ? (isStep ? stop.first + stepNumber + 1 : stop.last + 1) : 0;
  const ofStop = Object.entries(running?.loops ?? {}).filter(([name]) => prepared.phase.stops.includes(name));
  const asked = askedOf(prepared, stop, stopNumber);
  const isAsked = (tensor, place) => isAsking && asked !== null && tensor === asked[0] && place === asked[1];
  return {
    ...prepared,
    stopNumber,
    stepNumber,
    steps,
    running,
    isStep,
    isAsking,
    count,
    asked,
    result,
    loops: isStep ? running.loops : Object.fromEntries(ofStop),
    values: replayed(prepared.phase, count),
    isAsked,
    told: ([tensor, place, value]) => (isAsked(tensor, place) ? "?" : numberText(value)),
  };
}

/** What the results of a stop are made of, by tensor and place, where `reads` tells it of each result. */
function ofResults(moment, reads) {
  const writes = moment.steps.flatMap((step) => step.writes).filter(([tensor]) => tensor === moment.phase.result);
  const results = new Set(writes.map(([, place]) => place));
  const found = new Set();
  for (const [tensor, byResult] of Object.entries(reads)) {
    for (const result of results) for (const place of byResult[result] ?? []) found.add(keyOf(tensor, place));
  }
  return found;
}

/** What is expected to be read in a stop; null where nothing is known. */
function expectedReads(moment) {
  const { expected } = moment.operation;
  return expected?.reads && moment.phase.result === expected.result ? ofResults(moment, expected.reads) : null;
}

/** What the learner's results of a stop are made of: as it was measured, or else what the stop has read. */
function ownReads(moment) {
  const { yours } = moment.operation.expected;
  return yours ? ofResults(moment, yours) : placesOf(moment.steps.flatMap((step) => step.reads));
}

/** Whether two numbers of the record are the same, but for rounding. */
function isSame(one, other) {
  const [a, b] = [valueOf(one), valueOf(other)];
  return Object.is(a, b) || Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}

/** The classes with which a learner's entry is held against what is expected. */
function judged(moment, tensor, place, own, expected, written) {
  const { result, values, reads: known } = moment.operation.expected;
  const key = keyOf(tensor, place), found = [];
  if (expected && tensor in known && expected.has(key) !== own.has(key)) found.push(own.has(key) ? "extra" : "missed");
  if (tensor !== result || written === undefined || moment.isAsked(tensor, place)) return found;
  const last = moment.writes[tensor].stops.get(place).at(-1);
  const isDone = last < moment.stopNumber || (last === moment.stopNumber && !moment.isStep);
  if (isDone && !isSame(written, values[place])) found.push("differs");
  return found;
}

/** How to mark an entry at a moment: its text, its classes, and the stops that have added to it. */
function markerOf(moment, fed) {
  const reads = placesOf(moment.steps.flatMap((step) => step.reads));
  const writes = placesOf(moment.steps.flatMap((step) => step.writes));
  const now = placesOf(moment.isStep ? [...moment.running.reads, ...moment.running.writes] : []);
  const expected = expectedReads(moment), own = moment.operation.expected && ownReads(moment);
  return (tensor, place) => {
    const key = keyOf(tensor, place);
    const by = moment.writes[tensor]?.stops.get(place);
    const written = moment.values[tensor]?.get(place);
    const before = () => moment.writes[tensor].before.get(place);
    const value = by ? (written ?? before()) : moment.operation.tensors[tensor].values[place];
    const marks = {
      pale: by && written === undefined,
      written: writes.has(key),
      read: reads.has(key) && !writes.has(key),
      now: now.has(key),
      fed: fed?.outputs.has(key),
      chosen: fed?.key === key,
    };
    const classes = Object.keys(marks).filter((name) => marks[name]);
    if (moment.operation.expected) classes.push(...judged(moment, tensor, place, own, expected, written));
    const isCounted = moment.isScattered && tensor === moment.phase.result && by?.length > 1;
    const added = isCounted && by.filter((number) => number <= moment.stopNumber).length;
    return {
      text: value === undefined ? "" : moment.told([tensor, place, value]),
      style: classes.join(" "),
      count: isCounted ? `${added}/${by.length}` : "",
    };
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
        const kept = ["start", "band", "crossed"].filter((name) => cell.classList.contains(name));
        cell.className = [style, ...kept].join(" ");
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
  views.boxes.forEach(revealMarked);
}

const HEADS = 72; // pixels that the heads of a matrix may cover

/** Scroll a view that is larger than its box to what is marked in it; where some of that is seen, leave it alone. */
function revealMarked(box) {
  const isLarger = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  box.classList.toggle("larger", isLarger);
  if (!isLarger) return;
  const kinds = ["now", "written", "read", "crossed", "band"].map((kind) => [...box.getElementsByClassName(kind)]);
  const marked = kinds.find((cells) => cells.length);
  if (!marked) return;
  const around = box.getBoundingClientRect();
  const isAcross = (at) => at.left >= around.left + HEADS || box.scrollLeft === 0;
  const isDown = (at) => at.top >= around.top + HEADS || box.scrollTop === 0;
  const isSeen = (at) => isAcross(at) && at.right <= around.right && isDown(at) && at.bottom <= around.bottom;
  const places = marked.map((cell) => cell.getBoundingClientRect());
  if (places.some(isSeen)) return;
  const [at] = places;
  if (!isAcross(at) || at.right > around.right) box.scrollLeft += at.left - around.left - around.width / 3;
  if (!isDown(at) || at.bottom > around.bottom) box.scrollTop += at.top - around.top - around.height / 3;
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
