// Predict mode: the number of the stop is hidden until it has been said right, or shown for the asking.

const CLOSE = 5e-4; // three digits are enough

/** The number that was typed; NaN, ∞ and a true minus sign are understood, what is no number is undefined. */
function typedNumber(text) {
  const plain = text.trim().replaceAll("−", "-").replaceAll("∞", "inf").toLowerCase();
  if (["nan", "inf", "-inf"].includes(plain)) return valueOf(plain);
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(plain) ? Number(plain) : undefined;
}

/** Whether an answer is the number, to the digits that may be asked of a person. */
function isRight(answer, value) {
  return Object.is(answer, value) || answer === value || Math.abs(answer - value) <= CLOSE * (1 + Math.abs(value));
}

/** The mode itself: whether it is on, which stops are solved, and the score. */
function predictMode(words) {
  const solved = new Set();
  const tried = new Set();
  let isOn = false;
  let right = 0;
  return {
    get isOn() {
      return isOn;
    },
    toggle() {
      isOn = !isOn;
    },
    isHidden: (key) => isOn && !solved.has(key),
    score: () => (tried.size ? fill(words.predict.score, { right, asked: tried.size }) : ""),
    /** What to say to an answer; the number is shown from then on where it is right. */
    answer(key, result, given, text) {
      const value = valueOf(given), answer = typedNumber(text);
      if (answer === undefined) return fill(words.predict.no_number, { answer: text.trim() || "…" });
      const told = { result, value: numberText(given), answer: numberText(answer) };
      const isFirst = !tried.has(key);
      tried.add(key);
      if (isRight(answer, value)) {
        solved.add(key);
        right += isFirst ? 1 : 0;
        return `✓ ${fill(words.predict.right, told)}`;
      }
      if (!Number.isFinite(answer - value)) return `× ${fill(words.predict.not_equal, told)}`;
      return `× ${fill(answer > value ? words.predict.high : words.predict.low, told)}`; // by how much would give it away
    },
    /** Give up on a stop: its number is shown. */
    show(key, result, given) {
      tried.add(key);
      solved.add(key);
      return fill(words.predict.shown, { result, value: numberText(given) });
    },
  };
}
