// Numbers and texts as people read them: few digits, a true minus sign, never "-0"; words with their places filled.

const DIGITS = 5;
const NOT_FINITE = { nan: "NaN", inf: "∞", "-inf": "−∞" };

/** The value of a number of the record, also of one that is not finite. */
function valueOf(given) {
  return typeof given === "string" ? { nan: NaN, inf: Infinity, "-inf": -Infinity }[given] : given;
}

/** A number with at most five digits that count. */
function numberText(given) {
  if (typeof given === "string") return NOT_FINITE[given];
  if (!Number.isFinite(given)) return numberText(Number.isNaN(given) ? "nan" : given > 0 ? "inf" : "-inf");
  const rounded = Number(given.toPrecision(DIGITS));
  if (rounded === 0) return "0";
  const size = Math.abs(rounded);
  const text = size < 1e-4 || size >= 1e5 ? rounded.toExponential().replace("e+", "e") : String(rounded);
  return text.replaceAll("-", "−");
}

/** A text of the words with its {places} filled. */
function fill(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** A count as it is written in text. */
const countText = (count) => count.toLocaleString("en");

/** An element with attributes and what is in it. */
function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}
