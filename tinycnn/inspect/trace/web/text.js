// What is said of a moment beside the grids: the sentence, the line with its numbers, the source, the table of the stop's
// steps, the memory touched and the overlap.

/** A number inside a formula: in brackets where a minus sign would follow another sign. */
const operand = (given) => (numberText(given).startsWith("−") ? `(${numberText(given)})` : numberText(given));

/** The line of a step with its numbers put in, such as y[0, 0] = 1 + 0.5 · 2 = 2. */
function formulaText(moment, step, words, hidden) {
  const { operation, phase } = moment;
  const [written] = step.writes;
  const text = phase.expressions[step.line];
  const reads = step.reads.map(([, , value]) => value);
  let sides = [];
  if (written) sides.push(placeName(operation, written[0], written[1], words.parts.padding));
  if (text && /\{\d+\}/.test(text)) {
    const signs = text.replaceAll(" * ", " · ").replaceAll(" - ", " − ").replace(/\b(\d+)\.0\b/g, "$1");
    sides.push(
      signs.replace(/\{(\d+)\}/g, (whole, i, at) => (reads[i] === undefined ? "…" : at ? operand(reads[i]) : numberText(reads[i]))),
    );
  }
  if (written) sides.push(hidden ? "?" : numberText(written[2]));
  if (!written && !text) sides = [readTexts(moment, step.reads, words).join(", ")];
  if (sides.length > 2 && sides.at(-1) === sides.at(-2)) sides.pop();
  return sides.join(" = ");
}

/** The entries that a step reads, each with its value. */
function readTexts({ operation }, reads, words) {
  return reads.map(([tensor, place, value]) => `${placeName(operation, tensor, place, words.parts.padding)} = ${numberText(value)}`);
}

/** Whether a write of a step is the number that is asked for. */
function isAsked(moment, step) {
  return moment.result && step.writes.some(([tensor, place]) => tensor === moment.result[0] && place === moment.result[1]);
}

/** The sentence of a stop or of a step. */
function sentenceText(moment, texts, words, hidden) {
  const { running, result } = moment;
  if (!running) return words.sentence.nothing;
  const reads = moment.steps.flatMap((step) => step.reads).filter(([tensor]) => tensor !== result?.[0]);
  const products = moment.steps.reduce((sum, step) => sum + step.products.length, 0);
  const values = {
    result: result ? placeName(moment.operation, result[0], result[1], words.parts.padding) : "",
    value: hidden ? "?" : result ? numberText(result[2]) : "",
    count: products || reads.length,
    stop: moment.stopNumber + 1,
    stops: moment.stops.length,
    line: running.line,
    formula: formulaText(moment, running, words, hidden && isAsked(moment, running)),
  };
  if (moment.isStep || !result) return fill(texts.step ?? words.sentence.step, values);
  return fill(texts.sentence ?? words.sentence.stop, values);
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
  const margin = 2 * at.height; // what comes before and after is seen too, and the head of a table covers nothing
  if (at.top - margin < box.top) container.scrollTop += at.top - margin - box.top;
  else if (at.bottom + margin > box.bottom) container.scrollTop += at.bottom + margin - box.bottom;
}

/** The table of a stop: for each of its steps what was read, the products, and what then stood in the result. */
function drawTerms(container, moment, words, hidden) {
  const hasProducts = moment.steps.some((step) => step.products.length);
  const heads = ["step", "read", ...(hasProducts ? ["product"] : []), hasProducts ? "sum" : "value"];
  const rows = moment.steps.map((step, i) => {
    const [written] = step.writes;
    const reads = step.reads.filter(([tensor, place]) => !written || tensor !== written[0] || place !== written[1]);
    const row = element("tr", {}, element("th", { scope: "row" }, String(i + 1)));
    const told = readTexts(moment, reads, words).map((text) => element("span", { class: "entry" }, text));
    row.append(element("td", {}, ...told.flatMap((each, j) => (j ? [" ", each] : [each]))));
    if (hasProducts) row.append(element("td", { class: "number" }, step.products.map(numberText).join(", ")));
    const isHidden = hidden && isAsked(moment, step);
    row.append(element("td", { class: "number" }, written ? (isHidden ? "?" : numberText(written[2])) : ""));
    if (moment.isStep && i === moment.stepNumber) row.setAttribute("aria-current", "true");
    if (moment.isStep && i > moment.stepNumber) row.classList.add("later");
    return row;
  });
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, words.terms[name])));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  container.replaceChildren(table);
  const current = container.querySelector("[aria-current]");
  if (current) scrollTo(container, current);
  else container.scrollTop = 0;
}

/** How much memory was touched, in the stop and so far. */
function bytesText(moment, words) {
  const touched = (steps) => {
    const all = steps.flatMap((step) => [...step.reads, ...step.writes]).filter(([, place]) => place >= 0);
    const distinct = placesOf(all).size;
    return { accesses: countText(all.length), bytes: countText(4 * all.length), distinct: countText(distinct), distinct_bytes: countText(4 * distinct) };
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
function differenceText(moment, words, hidden) {
  const expected = moment.operation.expected;
  if (!expected || !moment.result || moment.result[0] !== expected.result || hidden || moment.isStep) return "";
  const [tensor, place, value] = moment.result;
  const wanted = expected.values[place];
  if (wanted === null) return "";
  const values = { result: placeName(moment.operation, tensor, place, ""), value: numberText(value), expected: numberText(wanted) };
  const said = [fill(isSame(value, wanted) ? words.expected.result_right : words.expected.result_wrong, values)];
  const reads = expectedReads(moment);
  if (reads) {
    const read = ownReads(
      moment,
      placesOf(moment.steps.flatMap((step) => step.reads).filter(([name]) => name in expected.reads)),
    );
    const missed = [...reads].filter((key) => !read.has(key)).length, extra = [...read].filter((key) => !reads.has(key)).length;
    if (missed) said.push(fill(words.expected.missed, { count: missed }));
    if (extra) said.push(fill(words.expected.extra, { count: extra }));
  }
  return said.join(" ");
}

/** The parameters of an operation and the shapes of its tensors, in a line. */
function parametersText(operation) {
  const shapes = Object.entries(operation.tensors)
    .filter(([, { role }]) => role !== "scratch" && role !== "gradient") // of the shapes that the others have
    .map(([name, { shape }]) => `${name} (${shape.join(", ")})`);
  const given = Object.entries(operation.parameters).map(([name, value]) => {
    const text = Array.isArray(value) ? (new Set(value).size === 1 ? value[0] : value.join("×")) : value;
    return `${name} ${typeof text === "number" ? numberText(text) : text}`;
  });
  return [...shapes, ...given].join(" · ");
}

/** Which part of a larger layer is shown; nothing where it is all of it. */
function cropText({ crop }, words) {
  if (!crop) return "";
  const sizes = (shape) => shape.join(" × ");
  return fill(words.page.crop, { shown: sizes(crop.output), whole: sizes(crop.of), start: `[${crop.start.join(", ")}]` });
}

/** What computes the same numbers. */
function agreesText({ agrees }, { name }, words) {
  const found = (agrees ?? []).filter(({ phase }) => phase === name);
  if (!found.length) return "";
  const difference = numberText(Math.max(...found.map((each) => valueOf(each.largest_difference))));
  return fill(words.page.agrees, { backends: found.map(({ backend }) => backend).join(", "), difference });
}
