// The record, unpacked; each pass cut into stops; and tensors as they are at a step, by replaying the writes up to it.

/** Unpack what the page carries. */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const payload = JSON.parse(await new Response(stream).text());
  return { ...payload, record: restored(payload.record) };
}

/** Cut the steps of a pass into stops: those that follow one another with one setting of the loop variables. */
function stopsOf(phase) {
  const stops = [];
  let before = null;
  phase.steps.forEach((step, i) => {
    const key = phase.stops.map((name) => step.loops[name] ?? "").join();
    if (key === before) stops.at(-1).last = i;
    else stops.push({ first: i, last: i });
    before = key;
  });
  return stops;
}

/** What a pass does to each tensor: the places that it writes, what stood there before, and which stops write them. */
function writesOf(phase, stops) {
  const tensors = {};
  const at = (tensor) => (tensors[tensor] ??= { before: new Map(), seen: new Set(), stops: new Map() });
  stops.forEach((stop, number) => {
    for (const { reads, writes } of phase.steps.slice(stop.first, stop.last + 1)) {
      for (const [tensor, place, value] of reads) {
        const known = at(tensor);
        if (!known.seen.has(place)) known.before.set(place, value);
        known.seen.add(place);
      }
      for (const [tensor, place] of writes) {
        const known = at(tensor);
        known.seen.add(place);
        const by = known.stops.get(place) ?? [];
        if (by.at(-1) !== number) by.push(number);
        known.stops.set(place, by);
      }
    }
  });
  return tensors;
}

/** The values that a pass has written after so many of its steps, by tensor and place. */
function replayed(phase, count) {
  const written = {};
  for (let i = 0; i < count; i++) {
    for (const [tensor, place, value] of phase.steps[i].writes) (written[tensor] ??= new Map()).set(place, value);
  }
  return written;
}

/** A pass made ready to be walked through. */
function preparedPhase(operation, phase) {
  const stops = stopsOf(phase);
  const writes = writesOf(phase, stops);
  const ofResult = [...(writes[phase.result]?.stops.values() ?? [])];
  const isScattered = ofResult.some((numbers) => numbers.length > 1) && phase.steps.some(isAdding);
  return { operation, phase, stops, writes, isScattered };
}

/** Whether a step adds to what it writes, as = would not. */
const isAdding = ({ reads, writes }) =>
  writes.some(([tensor, place]) => reads.some(([name, at]) => name === tensor && at === place));

/** The steps of a stop. */
const stepsOf = ({ phase }, stop) => (stop ? phase.steps.slice(stop.first, stop.last + 1) : []);

/** The entry that a stop computes: of the result if it writes one, else the last that it writes at all. */
function resultOf(prepared, stop) {
  const writes = stepsOf(prepared, stop).flatMap((step) => step.writes);
  return writes.findLast(([tensor]) => tensor === prepared.phase.result) ?? writes.at(-1) ?? null;
}

/** The entry that predict mode asks for: the one that the most stops have added to so far, else the last. */
function askedOf(prepared, stop, number) {
  const result = resultOf(prepared, stop);
  if (!prepared.isScattered || result === null) return result;
  const final = new Map(); // the last value of each entry, those that are written last at the end
  for (const [tensor, place, value] of stepsOf(prepared, stop).flatMap((step) => step.writes)) {
    if (tensor !== result[0]) continue;
    final.delete(place);
    final.set(place, [tensor, place, value]);
  }
  const added = ([tensor, place]) => prepared.writes[tensor].stops.get(place).filter((by) => by <= number).length;
  return [...final.values()].reduce((best, each) => (added(each) >= added(best) ? each : best));
}
