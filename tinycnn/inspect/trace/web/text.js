// What is said of a moment beside the grids: the sentence, the line with its numbers, the source, the table of the
// stop's steps, the memory touched and the overlap.

/** A number as it stands at a place of a formula: in brackets where a minus sign would be beside an operator. */
function putIn(formula, start, end, text) {
  const isBeside = /[-−+*·/%@] ?$/.test(formula.slice(0, start)) || /^ ?\*\*/.test(formula.slice(end));
  return text.startsWith("−") && isBeside ? `(${text})` : text;
}

/** A name in a formula: its number where it is a parameter of the operation. */
function parameterText({ parameters }, { loops }, name) {
  const value = Object.hasOwn(parameters, name) && !(name in loops) ? parameters[name] : null;
  return typeof value === "number" ? numberText(value) : name;
}

/** The line of a step with its numbers put in, such as y[0, 0] = 1 + 0.5 · 2 = 2. */
function formulaText(moment, step, words) {
  const [written] = step.writes;
  const expression = moment.phase.expressions[step.line];
  const reads = step.reads.map(moment.told);
  const sides = [];
  if (written) sides.push(placeName(moment.operation, written[0], written[1], words.parts.padding));
  if (expression && /\{\d+\}/.test(expression)) {
    const signs = expression.replaceAll(" * ", " · ").replaceAll("-", "−").replace(/\b(\d+)\.0\b/g, "$1");
    const named = signs.replace(/(?<![.\w])[a-z]\w*/gi, (name, at) =>
      putIn(signs, at, at + name.length, parameterText(moment.operation, step, name)),
    );
    sides.push(named.replace(/\{(\d+)\}/g, (slot, i, at) => putIn(named, at, at + slot.length, reads[i] ?? "…")));
  }
  if (written) sides.push(moment.told(written));
  else if (!expression) return readTexts(moment, step.reads, words).join(", ");
  if (sides.length > 2 && sides.at(-1) === sides.at(-2)) sides.pop();
  return sides.join(" = ");
}

/** The entries that a step reads, each with its value. */
function readTexts(moment, reads, words) {
  return reads.map((access) => {
    const name = placeName(moment.operation, access[0], access[1], words.parts.padding);
    return `${name} = ${moment.told(access)}`;
  });
}

/** The sentence of a stop or of a step. */
function sentenceText(moment, texts, words) {
  const { running, result } = moment;
  if (!running) return words.sentence.nothing;
  const reads = moment.steps.flatMap((step) => step.reads).filter(([tensor]) => tensor !== result?.[0]);
  const products = moment.steps.reduce((sum, step) => sum + step.products.length, 0);
  const values = {
    result: result ? placeName(moment.operation, result[0], result[1], words.parts.padding) : "",
    value: result ? moment.told(result) : "",
    count: products || reads.length,
    stop: moment.stopNumber + 1,
    stops: moment.stops.length,
    line: running.line,
    formula: formulaText(moment, running, words),
  };
  if (moment.isStep || !result) return fill(texts.step ?? words.sentence.step, values);
  return fill(texts.sentence ?? words.sentence[["written", "one"][values.count] ?? "stop"], values);
}

/** The source, once for a pass. */
function drawSource(container, { phase }) {
  const lines = phase.source.map((text, i) => {
    const indent = text.match(/^ */)[0];
    const code = element("code", {}, element("span", { class: "indent" }, indent), text.slice(indent.length) || " ");
    code.style.setProperty("--indent", indent.length);
    const number = element("span", { class: "count", "aria-hidden": "true" }, String(phase.first_line + i));
    return element("div", { "data-line": phase.first_line + i }, number, code);
  });
  container.replaceChildren(...lines);
}

/** Mark the line that runs and bring it into view within its box. */
function markLine(container, line, raisedLine) {
  for (const each of container.children) {
    const isRunning = each.dataset.line === String(line);
    if (isRunning) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
    each.classList.toggle("raised", each.dataset.line === String(raisedLine));
    if (isRunning) scrollTo(container, each);
  }
}

/** Scroll a box, and nothing around it, so that one of its rows is seen. */
function scrollTo(container, row) {
  const box = container.getBoundingClientRect(), at = row.getBoundingClientRect();
  const margin = Math.min(2 * at.height, (box.height - at.height) / 2); // what comes before and after is seen too, and the head of a table covers nothing
  if (at.top - margin < box.top) container.scrollTop += at.top - margin - box.top;
  else if (at.bottom + margin > box.bottom) container.scrollTop += at.bottom + margin - box.bottom;
}

/** Whether a step writes the entry that is asked for. */
const isAsked = (moment, step) => step.writes.some(([tensor, place]) => moment.isAsked(tensor, place));

/** The table of a stop: for each of its steps what was read, the products, and what then stood in the result. */
function drawTerms(container, moment, words) {
  const hasProducts = moment.steps.some((step) => step.products.length);
  const isOnly = moment.steps.filter((step) => isAsked(moment, step)).length === 1; // its product is the answer
  const heads = hasProducts ? ["step", "read", "product", "sum"] : ["step", "read", "value"];
  const writesSeveral = placesOf(moment.steps.flatMap((step) => step.writes)).size > 1;
  const rows = moment.steps.map((step, i) => {
    const [written] = step.writes;
    const reads = step.reads.filter(([tensor, place]) => !written || tensor !== written[0] || place !== written[1]);
    const entries = readTexts(moment, reads, words).map((text) => {
      const [name, value] = text.split(" = ").map((part, side) => element("span", {}, side ? `= ${part}` : part));
      return element("span", { class: "entry" }, name, " ", value);
    });
    const row = element("tr", {}, element("th", { scope: "row" }, String(i + 1)));
    row.append(element("td", {}, ...entries.flatMap((entry, j) => (j ? [" ", entry] : [entry]))));
    const products = isOnly && isAsked(moment, step) ? "?" : step.products.map(numberText).join(", ");
    if (hasProducts) row.append(element("td", { class: "number" }, products));
    const after = element("td", { class: "number" }, written ? moment.told(written) : "");
    if (written && writesSeveral) after.dataset.entry = placeName(moment.operation, written[0], written[1], "");
    row.append(after);
    if (moment.isStep && i === moment.stepNumber) row.setAttribute("aria-current", "true");
    row.classList.toggle("later", moment.isStep && i > moment.stepNumber);
    return row;
  });
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, words.terms[name])));
  container.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  const current = container.querySelector("[aria-current]");
  if (current) scrollTo(container, current);
  else container.scrollTop = 0;
}

/** How much memory was touched, in the stop and so far. */
function bytesText(moment, words) {
  const touched = (steps) => {
    const all = steps.flatMap((step) => [...step.reads, ...step.writes]).filter(([, place]) => place >= 0);
    const distinct = placesOf(all).size;
    const counts = { accesses: all.length, bytes: 4 * all.length, distinct, distinct_bytes: 4 * distinct };
    return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, countText(count)]));
  };
  const steps = moment.isStep ? moment.steps.slice(0, moment.stepNumber + 1) : moment.steps;
  const soFar = moment.phase.steps.slice(0, moment.count);
  return [fill(words.bytes.stop, touched(steps)), fill(words.bytes.total, touched(soFar)), words.bytes.unit].join(" ");
}

/** How many entries have been added to by several stops; nothing where none ever is. */
function overlapText(moment, words) {
  if (!moment.isScattered) return "";
  const name = moment.phase.result;
  const by = [...moment.writes[name].stops.values()];
  const soFar = by.filter((stops) => stops.filter((stop) => stop <= moment.stopNumber).length > 1).length;
  const values = {
    count: soFar,
    size: moment.operation.tensors[name].values.length,
    name,
    total: by.filter((stops) => stops.length > 1).length,
    most: Math.max(...by.map((stops) => stops.length)),
  };
  return `${fill(words.overlap.now, values)} ${words.overlap.what}`;
}

/** What a learner's result is against the expected one, at this stop; nothing where there is none. */
function differenceText(moment, words) {
  const { expected } = moment.operation;
  if (!expected || moment.isStep || moment.result?.[0] !== expected.result) return "";
  if (moment.isAsked(...moment.result)) return "";
  const [tensor, place, value] = moment.result;
  const wanted = expected.values[place];
  const result = placeName(moment.operation, tensor, place, words.parts.padding);
  const told = isSame(value, wanted) ? words.expected.result_right : words.expected.result_wrong;
  const said = [fill(told, { result, value: numberText(value), expected: numberText(wanted) })];
  const reads = expectedReads(moment);
  if (reads) {
    const own = [...ownReads(moment)].filter((key) => accessOf(key)[0] in expected.reads);
    const missed = [...reads].filter((key) => !own.includes(key)).length;
    const extra = own.filter((key) => !reads.has(key)).length;
    if (missed) said.push(fill(words.expected.missed, { count: missed }));
    if (extra) said.push(fill(words.expected.extra, { count: extra }));
  }
  return said.join(" ");
}

/** The parameters of an operation and the shapes of its tensors, in a line. */
function parametersText(operation) {
  const shapes = Object.entries(operation.tensors)
    .filter(([, { role }]) => role !== "scratch" && role !== "gradient") // those have the shapes of the others
    .map(([name, { shape }]) => `${name} (${shape.join(", ")})`);
  const given = Object.entries(operation.parameters).map(([name, value]) => {
    const one = Array.isArray(value) ? (new Set(value).size === 1 ? value[0] : value.join("×")) : value;
    return `${name} ${typeof one === "number" ? numberText(one) : one}`;
  });
  return [...shapes, ...given].join(" · ");
}

/** Which part of a larger layer is shown; nothing where it is all of it. */
function cropText({ crop }, words) {
  if (!crop) return "";
  const sizes = (shape) => shape.join(" × ");
  const start = `[${crop.start.join(", ")}]`;
  return fill(words.page.crop, { shown: sizes(crop.output), whole: sizes(crop.of), start });
}

/** What computes the same numbers. */
function agreesText({ agrees }, { name }, words) {
  const found = (agrees ?? []).filter(({ phase }) => phase === name);
  if (!found.length) return "";
  const difference = numberText(Math.max(...found.map((each) => valueOf(each.largest_difference))));
  return fill(words.page.agrees, { backends: found.map(({ backend }) => backend).join(", "), difference });
}
