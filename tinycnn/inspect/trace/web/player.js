// Where one is in a trace and how one gets on: by stops and steps, by keys, on a timer, and by the address of the page.

const RESTING = 250; // milliseconds between two changes of the address: browsers complain of many

/** The place that an address names; what is missing or too large is the nearest that there is. */
function placeOfHash(hash, operations) {
  const asked = Object.fromEntries(new URLSearchParams(hash.replace(/^#/, "")));
  const numberOf = (name) => Number.parseInt(asked[name] ?? "0", 10) || 0;
  const within = (name, count) => Math.min(Math.max(numberOf(name), 0), Math.max(count - 1, 0));
  const operation = within("operation", operations.length);
  const phases = operations[operation]?.phases ?? [];
  const phase = within("phase", phases.length);
  const stops = phases[phase]?.stops ?? [];
  const stop = within("stop", stops.length);
  const steps = stops[stop] ? stops[stop].last - stops[stop].first + 1 : 0;
  return { operation, phase, stop, step: "step" in asked ? within("step", steps) : null };
}

/** The address of a place. */
function hashOf({ operation, phase, stop, step }) {
  return `#operation=${operation}&phase=${phase}&stop=${stop}${step === null ? "" : `&step=${step}`}`;
}

/** A writer of the address that rests between two changes; where a page may not have an address, it does nothing. */
function addressWriter() {
  let last = 0, timer = null;
  const write = (hash) => {
    last = Date.now();
    try {
      history.replaceState(null, "", hash);
    } catch {
      // a page in a frame without an origin
    }
  };
  return (hash) => {
    clearTimeout(timer);
    const rest = last + RESTING - Date.now();
    if (rest <= 0) write(hash);
    else timer = setTimeout(() => write(hash), rest);
  };
}

/** The place one stop or one step on (by = 1) or back (by = -1); null at either end. */
function moved(stops, place, by, isStep) {
  const { stop, step } = place;
  const length = (number) => stops[number].last - stops[number].first + 1;
  if (!stops.length) return null;
  if (isStep && step === null) return { ...place, step: by > 0 ? 0 : length(stop) - 1 };
  if (isStep && step + by >= 0 && step + by < length(stop)) return { ...place, step: step + by };
  const next = stop + by;
  if (next < 0 || next >= stops.length) return null;
  return { ...place, stop: next, step: isStep ? (by > 0 ? 0 : length(next) - 1) : null };
}

/** The stop a row of the result up or down: the same column and planes, by the place of what each stop computes. */
function movedByRow(prepared, place, by) {
  const result = resultOf(prepared, prepared.stops[place.stop]);
  const shape = result && prepared.operation.tensors[result[0]]?.shape;
  if (!shape || !shape.length) return null;
  const wanted = result[1] + by * (shape.length > 1 ? shape.at(-1) : 1);
  const numbers = prepared.writes[result[0]].stops.get(wanted);
  if (!numbers) return null;
  const isAhead = (number) => (by > 0 ? number > place.stop : number < place.stop);
  const found = by > 0 ? numbers.find(isAhead) : numbers.findLast(isAhead);
  return { ...place, stop: found ?? numbers[0], step: null };
}

/** What a key asks for, by the name of a command; null for keys that mean nothing here. */
function commandOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const arrows = event.shiftKey
    ? { ArrowLeft: "back", ArrowRight: "on" }
    : { ArrowLeft: "previous", ArrowRight: "next", ArrowUp: "up", ArrowDown: "down" };
  return { ...arrows, Home: "first", End: "last", " ": "play", Escape: "clear" }[event.key] ?? null;
}

/** Whether a key belongs to what has the focus, and not to the page. */
function isBusy(target, key) {
  if (target.closest(".tg, select, textarea, input")) return true;
  return key === " " && target.closest("button, summary, a") !== null;
}
