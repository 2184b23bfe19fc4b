// Numbers that the page's record leaves out, worked out again: short.py says which, and is the twin of this file.

/** Put back what was left out of a record. */
function restored(record) {
  for (const { phases, tensors } of record.operations) {
    for (const phase of phases) {
      phase.steps = phase.steps.flatMap(stepsOfRun);
      restorePhase(phase, tensors);
      restoreResults(phase, tensors);
    }
  }
  return record;
}

/** The steps that one entry tells: several that do the same elsewhere, by differences, or one. */
function stepsOfRun(run) {
  if (run.count === undefined) return [run];
  const { count, loops, reads, writes, ...same } = run;
  const summed = (differences) => {
    let sum = 0;
    return differences.map((difference) => (sum += difference));
  };
  const settings = Object.entries(loops).map(([name, differences]) => [name, summed(differences)]);
  const accesses = [reads, writes].map((way) => way.map(([tensor, differences]) => [tensor, summed(differences)]));
  return Array.from({ length: count }, (_, i) => {
    const [read, written] = accesses.map((way) => way.map(([tensor, places]) => [tensor, places[i]]));
    const here = Object.fromEntries(settings.map(([name, values]) => [name, values[i]]));
    return { ...structuredClone(same), loops: here, reads: read, writes: written };
  });
}

/** Fill in tensors that a pass made: zeros where it wrote nothing. */
function restoreResults(phase, tensors) {
  const made = {};
  for (const { writes } of phase.steps) {
    for (const [tensor, place, value] of writes) {
      if (!tensors[tensor] || tensors[tensor].values) continue;
      made[tensor] ??= Array(tensors[tensor].shape.reduce((size, axis) => size * axis, 1)).fill(0);
      made[tensor][place] = value;
    }
  }
  for (const [tensor, values] of Object.entries(made)) tensors[tensor].values = values;
}

function restorePhase(phase, tensors) {
  const written = new Set(phase.steps.flatMap((step) => step.writes.map(([tensor]) => tensor)));
  const values = new Map();
  const valuesOf = (tensor) => {
    if (!values.has(tensor)) {
      const known = written.has(tensor) ? [] : (tensors[tensor]?.values ?? []);
      values.set(tensor, new Map(known.map((value, place) => [place, value])));
    }
    return values.get(tensor);
  };
  for (const step of phase.steps) {
    for (const access of step.reads) {
      const [tensor, place] = access;
      if (access.length < 3) access.push(place < 0 ? 0 : (valuesOf(tensor).get(place) ?? 0));
      if (place >= 0) valuesOf(tensor).set(place, access[2]);
    }
    const read = step.reads.map(([, , value]) => value);
    step.products ??= [read.at(-2) * read.at(-1) + 0];
    for (const access of step.writes) {
      if (access.length < 3) access.push(usualResult(read, step.products));
      valuesOf(access[0]).set(access[1], access[2]);
    }
  }
}

/** What a step most often writes: a sum and a product more, a product, a sum of two, or what it read. */
function usualResult(read, products) {
  if (products.length === 1) return read.length === 2 ? products[0] : read[0] + products[0];
  return read.length === 1 ? read[0] : read[0] + read[1];
}
