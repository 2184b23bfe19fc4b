// The page: one place in the trace, and everything that is on the screen drawn from it.

/** Draw the page of a record. */
function drawPage(root, record, allWords) {
  const words = allWords.page;
  const find = (selector) => root.querySelector(selector);
  const operations = record.operations.map((operation) => ({
    operation,
    phases: operation.phases.map((phase) => preparedPhase(operation, phase)),
  }));
  const predict = predictMode(words);
  const writeAddress = addressWriter();
  const isLinked = location.hash.length > 1;
  let place = placeOfHash(location.hash, operations);
  let isFiner = place.step !== null;
  let fed = null;
  let timer = null;
  let views = null;
  let drawn = "";

  const prepared = () => operations[place.operation].phases[place.phase];
  const textsOf = ({ operation, phase }) => allWords.operations[operation.operation]?.[phase.name] ?? {};
  const titleOf = (operation) => allWords.operations[operation.operation]?.title ?? operation.operation;
  const stopKey = () => `${place.operation} ${place.phase} ${place.stop}`;

  // Drawn once for a pass.

  function drawPass() {
    const now = prepared(), texts = textsOf(now);
    find("#title").textContent = titleOf(now.operation);
    find("#parameters").textContent = parametersText(now.operation);
    find("#crop").textContent = cropText(now.operation, words);
    find("#agrees").textContent = agreesText(now.operation, now.phase, words);
    find("#formula-of-phase").textContent = texts.formula ?? "";
    find("#what").textContent = texts.what ?? "";
    find("#phase").replaceChildren(
      ...operations[place.operation].phases.map(({ phase, operation }, i) =>
        element("option", { value: i }, textsOf({ operation, phase }).title ?? (phase.name === "yours" ? words.expected.yours : phase.name)),
      ),
    );
    find("#phase").value = place.phase;
    find("#operation").value = place.operation;
    views = drawnViews(find("#views"), now, words);
    drawSource(find("#source"), now);
    drawLegend(now);
    fed = null;
  }

  function drawLegend(now) {
    const kinds = ["read", "written", "now", "pale", "fed"];
    if (views.paddingCells.length) kinds.push("padding", "window");
    if (views.bands.length) kinds.push("band");
    if (now.operation.expected) kinds.push("missed", "extra", "differs");
    find("#legend").replaceChildren(
      ...kinds.map((kind) => element("li", {}, element("i", { class: `key ${kind}`, "aria-hidden": "true" }), words.legend[kind])),
    );
  }

  // Drawn anew for every place.

  function show(next = place) {
    place = next;
    if (drawn !== `${place.operation} ${place.phase}`) {
      drawn = `${place.operation} ${place.phase}`;
      drawPass();
    }
    const now = momentOf(prepared(), place.stop, place.step);
    const isHidden = predict.isHidden(stopKey());
    paint(views, now, marksOf(now, isHidden, fed));
    find("#position").textContent = positionText(now);
    find("#sentence").textContent = sentenceText(now, textsOf(now), words, isHidden);
    const formula = now.running ? formulaText(now, now.running, words, isHidden && isAsked(now, now.running)) : "";
    find("#line").textContent = formula;
    const loops = Object.entries(now.running?.loops ?? {}).map(([name, value]) => `${name} = ${value}`);
    find("#loops").textContent = loops.length ? fill(words.parts.loops, { loops: loops.join(", ") }) : "";
    drawTerms(find("#terms"), now, words, isHidden);
    find("#bytes").textContent = bytesText(now, words);
    find("#overlap").textContent = overlapText(now, words);
    find("#difference").textContent = differenceText(now, words, isHidden);
    showRaised(now);
    showPrediction(now, isHidden);
    showControls(now);
    if (!timer) writeAddress(hashOf(place));
  }

  function positionText(now) {
    const values = { stop: place.stop + 1, stops: now.stops.length, step: place.step + 1, steps: now.steps.length };
    return fill(now.stops.length ? (now.isStep ? words.position.step : words.position.stop) : words.position.none, values);
  }

  function showRaised(now) {
    const raised = now.operation.raised;
    const isAtEnd = raised && now.count === now.phase.steps.length;
    const box = find("#raised");
    box.hidden = !(isAtEnd || now.operation.incomparable);
    const told = isAtEnd ? fill(words.expected.raised, raised) : "";
    box.textContent = [told, now.operation.incomparable].filter(Boolean).join(" ");
    markLine(find("#source"), now.running?.line, isAtEnd ? raised.line : null);
  }

  function showPrediction(now, isHidden) {
    const form = find("#prediction");
    form.hidden = !predict.isOn || !now.result;
    if (form.hidden) return;
    const result = placeName(now.operation, now.result[0], now.result[1], "");
    find("#question").textContent = `${textsOf(now).question ?? ""} ${fill(words.predict.question, { result })}`.trim();
    find("#check").textContent = isHidden ? words.predict.check : words.predict.next;
    find("#show").hidden = !isHidden;
    find("#score").textContent = predict.score();
  }

  function showControls(now) {
    const button = (name) => find(`[data-do="${name}"]`);
    const isFirst = place.stop === 0 && !place.step, isLast = place.stop >= now.stops.length - 1 && (!now.isStep || place.step === now.steps.length - 1);
    button("first").disabled = button("previous").disabled = isFirst;
    button("last").disabled = button("next").disabled = isLast;
    button("finer").setAttribute("aria-pressed", isFiner);
    button("predict").setAttribute("aria-pressed", predict.isOn);
    button("play").querySelector(".name").textContent = timer ? words.controls.pause : words.controls.play;
    button("play").classList.toggle("playing", timer !== null);
    find("#speed-told").textContent = fill(words.controls.per_second, { speed: find("#speed").value });
  }

  // What one can do.

  function go(next) {
    if (!next) return false;
    if (next.stop !== place.stop) find("#verdict").textContent = find("#answer").value = "";
    show(next);
    return true;
  }

  const toStop = (stop) => go({ ...place, stop, step: isFiner ? 0 : null });

  const commands = {
    first: () => toStop(0),
    last: () => {
      const stops = prepared().stops, stop = Math.max(stops.length - 1, 0);
      go({ ...place, stop, step: isFiner && stops.length ? stops[stop].last - stops[stop].first : null });
    },
    previous: () => go(moved(prepared().stops, place, -1, isFiner)),
    next: () => go(moved(prepared().stops, place, 1, isFiner)),
    back: () => go(moved(prepared().stops, place, -1, true)),
    on: () => go(moved(prepared().stops, place, 1, true)),
    up: () => go(movedByRow(prepared(), place, -1)),
    down: () => go(movedByRow(prepared(), place, 1)),
    play: () => (timer ? pause() : play()),
    finer: () => {
      isFiner = !isFiner;
      go({ ...place, step: isFiner && prepared().stops.length ? 0 : null });
    },
    predict: () => {
      predict.toggle();
      find("#verdict").textContent = find("#answer").value = "";
      show();
      if (predict.isOn) find("#answer").focus();
    },
    clear: () => {
      fed = null;
      find("#feeds").textContent = "";
      show();
    },
  };

  function play() {
    const last = moved(prepared().stops, place, 1, isFiner) === null;
    find("#sentence").setAttribute("aria-live", "off");
    const tick = () => {
      timer = setTimeout(tick, 1000 / find("#speed").value);
      if (!go(moved(prepared().stops, place, 1, isFiner))) pause();
    };
    timer = setTimeout(tick, 1000 / find("#speed").value);
    if (last) toStop(0);
    else show();
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    find("#sentence").setAttribute("aria-live", "polite");
    show();
  }

  function press(name) {
    if (timer && name !== "play") pause();
    commands[name]();
  }

  /** Go to where an entry is computed, or mark what it feeds. */
  function choose(cell) {
    const { tensor, place: text } = cell.dataset;
    if (tensor === undefined) return;
    const at = Number(text), now = prepared();
    const by = now.writes[tensor]?.stops.get(at);
    if (by) {
      commands.clear();
      toStop(by[(by.indexOf(place.stop) + 1) % by.length]);
      return;
    }
    fed = fedBy(now, tensor, at);
    const outputs = [...fed.outputs].map((key) => placeName(now.operation, ...key.split(" "), ""));
    const told = outputs.length > 1 ? words.feeds.many : outputs.length ? words.feeds.one : words.feeds.none;
    const name = placeName(now.operation, tensor, at, "");
    find("#feeds").textContent = `${fill(told, { name, count: outputs.length, outputs: outputs[0] })} ${words.feeds.clear}`;
    show();
  }

  function toOperation(operation, phase = 0) {
    if (timer) pause();
    isFiner = false;
    commands.clear();
    go({ operation, phase, stop: 0, step: null });
  }

  // Events.

  for (const button of root.querySelectorAll("[data-do]")) button.addEventListener("click", () => press(button.dataset.do));
  find("#phase").addEventListener("change", (event) => toOperation(place.operation, Number(event.target.value)));
  find("#operation").addEventListener("change", (event) => toOperation(Number(event.target.value)));
  find("#speed").addEventListener("input", () => show());
  find("#prediction").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!predict.isHidden(stopKey())) {
      press("next");
      return;
    }
    const { result, operation } = momentOf(prepared(), place.stop, place.step);
    const { said } = predict.answer(stopKey(), find("#answer").value, placeName(operation, result[0], result[1], ""), result[2]);
    find("#verdict").textContent = said;
    show();
  });
  find("#show").addEventListener("click", () => {
    const { result, operation } = momentOf(prepared(), place.stop, place.step);
    find("#verdict").textContent = predict.show(stopKey(), placeName(operation, result[0], result[1], ""), result[2]);
    show();
    find("#check").focus();
  });
  document.addEventListener("keydown", (event) => {
    const isInside = root.contains(event.target) || event.target === document.body;
    const name = commandOf(event);
    if (!isInside || name === null || event.defaultPrevented || isBusy(event.target, event.key)) return;
    event.preventDefault();
    press(name);
  });
  walkCells(find("#views"), choose, (cell) => cellName(cell, prepared(), words));
  addEventListener("hashchange", () => {
    const asked = placeOfHash(location.hash, operations);
    if (hashOf(asked) === hashOf(place)) return;
    if (timer) pause();
    isFiner = asked.step !== null;
    go(asked);
  });

  // The start.

  const titles = operations.map(({ operation }) => titleOf(operation));
  find("#operation").replaceChildren(...titles.map((title, i) => element("option", { value: i }, `${i + 1}. ${title}`)));
  find("#operation-label").hidden = operations.length < 2;
  find("#picture").remove();
  if (operations.length) {
    find("#stepper").hidden = false;
    show();
  }
  if (record.graph) {
    find("#graph").hidden = false;
    drawGraph(find("#graph"), record, allWords, (operation) => {
      toOperation(operation);
      find("#title").focus();
      find("#stepper").scrollIntoView();
    });
    if (isLinked) find("#stepper").scrollIntoView();
  }
  root.dataset.ready = "true";
}

unpacked(document.querySelector("#record").textContent).then(({ record, words }) =>
  drawPage(document.querySelector(".tc-trace"), restored(record), words),
);
