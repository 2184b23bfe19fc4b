// Everything on the screen but what one does with it: what is drawn once for a pass, and what is drawn for each moment.

/** The screen of a record, within the root of its page. */
function screenOf(root, operations, allWords) {
  const words = allWords.page;
  const find = (selector) => root.querySelector(selector);
  const say = (selector, text) => {
    const told = find(selector);
    if (told.textContent !== text) told.textContent = text; // what is said anew is read aloud anew
  };
  const textsOf = ({ operation, phase }) => allWords.operations[operation.operation]?.[phase.name] ?? {};
  const titleOf = (operation) => allWords.operations[operation.operation]?.title ?? operation.operation;
  const passTitle = (each) => textsOf(each).title ?? words.expected[each.phase.name] ?? each.phase.name;
  const options = (names) => names.map((name, i) => element("option", { value: i }, name));
  let views = null;

  function drawLegend({ operation, phase }) {
    const kinds = ["read", "written", "now", "pale", "fed"];
    if (views.paddingCells.length) kinds.push("padding");
    if (views.paddingCells.length && phase.stops.includes("p")) kinds.push("window");
    if (views.bands.length) kinds.push("band");
    if (operation.expected) kinds.push("missed", "extra", "differs");
    const key = (kind) => element("i", { class: `key ${kind}`, "aria-hidden": "true" });
    find("#legend").replaceChildren(...kinds.map((kind) => element("li", {}, key(kind), words.legend[kind])));
  }

  function positionText({ stops, steps, stopNumber, stepNumber, isStep }) {
    const values = { stop: stopNumber + 1, stops: stops.length, step: stepNumber + 1, steps: steps.length };
    return fill(stops.length ? words.position[isStep ? "step" : "stop"] : words.position.none, values);
  }

  function drawRaised({ operation, phase, count, running }) {
    const isAtEnd = operation.raised && count === phase.steps.length;
    say("#raised", isAtEnd ? fill(words.expected.raised, operation.raised) : "");
    markLine(find("#source"), running?.line, isAtEnd ? operation.raised.line : null);
  }

  return {
    find,
    say,

    /** Draw the choice of operations. */
    drawOperations() {
      const names = operations.map(({ operation }, i) => `${i + 1}. ${titleOf(operation)}`);
      find("#operation").replaceChildren(...options(names));
      find("#operation-label").hidden = operations.length < 2;
    },

    /** Draw what stays the same for all steps of a pass. */
    drawPass(prepared, place) {
      const { operation, phase } = prepared;
      const texts = textsOf(prepared);
      say("#title", titleOf(operation));
      say("#parameters", parametersText(operation));
      say("#crop", cropText(operation, words));
      say("#formula-of-phase", texts.formula ?? "");
      say("#what", texts.what ?? "");
      say("#agrees", agreesText(operation, phase, words));
      const titles = operations[place.operation].phases.map(passTitle);
      find("#phase").replaceChildren(...options(titles));
      find("#phase").value = place.phase;
      find("#operation").value = place.operation;
      views = drawnViews(find("#views"), prepared, words);
      drawSource(find("#source"), prepared);
      drawLegend(prepared);
    },

    /** Draw a moment, with what a chosen entry feeds. */
    draw(moment, fed) {
      paint(views, moment, markerOf(moment, fed));
      const loops = Object.entries(moment.running?.loops ?? {}).map(([name, value]) => `${name} = ${value}`);
      say("#position", positionText(moment));
      say("#sentence", sentenceText(moment, textsOf(moment), words));
      say("#line", moment.running ? formulaText(moment, moment.running, words) : "");
      say("#loops", loops.length ? fill(words.parts.loops, { loops: loops.join(", ") }) : "");
      say("#bytes", bytesText(moment, words));
      say("#overlap", overlapText(moment, words));
      say("#difference", differenceText(moment, words));
      drawTerms(find("#terms"), moment, words);
      drawRaised(moment);
    },

    /** Draw the question of predict mode. */
    drawQuestion({ operation, phase, asked, isAsking }, predict) {
      find("#prediction").hidden = !predict.isOn || !asked;
      if (!predict.isOn || !asked) return;
      const name = placeName(operation, asked[0], asked[1], words.parts.padding);
      const question = [textsOf({ operation, phase }).question, fill(words.predict.question, { result: name })];
      say("#question", question.filter(Boolean).join(" "));
      say("#check", isAsking ? words.predict.check : words.predict.next);
      find("#show").hidden = !isAsking;
      say("#score", predict.score());
    },

    /** Draw what can be pressed and what is on. */
    drawControls({ stops, steps, stopNumber, stepNumber, isStep }, { isFiner, isPredicting, isPlaying }) {
      const button = (name) => find(`[data-do="${name}"]`);
      const isFirst = stopNumber === 0 && !stepNumber;
      const isLast = stopNumber >= stops.length - 1 && (!isStep || stepNumber === steps.length - 1);
      // Not "disabled", which takes the focus away, and with it the keys.
      for (const name of ["first", "previous"]) button(name).setAttribute("aria-disabled", isFirst);
      for (const name of ["last", "next"]) button(name).setAttribute("aria-disabled", isLast);
      button("finer").setAttribute("aria-pressed", isFiner);
      button("predict").setAttribute("aria-pressed", isPredicting);
      button("play").classList.toggle("playing", isPlaying);
      button("play").querySelector(".name").textContent = isPlaying ? words.controls.pause : words.controls.play;
      find("#sentence").setAttribute("aria-live", isPlaying ? "off" : "polite");
      say("#speed-told", fill(words.controls.per_second, { speed: find("#speed").value }));
    },
  };
}
