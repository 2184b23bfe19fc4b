// The page: one place in the trace, what one can do to move it, and everything on the screen drawn from it.

/** Draw the page of a record and let it be walked through. */
function drawPage(root, record, allWords) {
  const words = allWords.page;
  const operations = record.operations.map((operation) => ({
    operation,
    phases: operation.phases.map((phase) => preparedPhase(operation, phase)),
  }));
  const screen = screenOf(root, operations, allWords);
  const { find, say } = screen;
  const predict = predictMode(words);
  const writeAddress = addressWriter();
  const isLinked = location.hash.length > 1;
  let place = placeOfHash(location.hash, operations);
  let isFiner = place.step !== null;
  let fed = null;
  let timer = null;
  let drawn = null;

  const prepared = () => operations[place.operation].phases[place.phase];
  const stopKey = () => `${place.operation} ${place.phase} ${place.stop}`;
  const momentNow = () => momentOf(prepared(), place.stop, place.step, predict.isHidden(stopKey()));
  const step = (by, isStep) => moved(prepared().stops, place, by, isStep);

  function show() {
    if (drawn !== prepared()) {
      drawn = prepared();
      screen.drawPass(drawn, place);
    }
    const moment = momentNow();
    screen.draw(moment, fed);
    screen.drawQuestion(moment, predict);
    screen.drawControls(moment, { isFiner, isPredicting: predict.isOn, isPlaying: timer !== null });
    if (timer === null) writeAddress(hashOf(place));
  }

  // What one can do.

  /** Go to a place, and tell whether there is one. */
  function go(next) {
    if (!next) return false;
    const isElsewhere = next.stop !== place.stop || next.phase !== place.phase || next.operation !== place.operation;
    place = next;
    if (isElsewhere) forgetAnswer();
    show();
    return true;
  }

  const toStop = (stop) => go({ ...place, stop, step: isFiner ? 0 : null });

  const commands = {
    first: () => toStop(0),
    last: () => {
      const stops = prepared().stops, stop = Math.max(stops.length - 1, 0);
      go({ ...place, stop, step: isFiner && stops.length ? stops[stop].last - stops[stop].first : null });
    },
    previous: () => go(step(-1, isFiner)),
    next: () => go(step(1, isFiner)),
    back: () => go(step(-1, true)),
    on: () => go(step(1, true)),
    up: () => go(movedByRow(prepared(), place, -1)),
    down: () => go(movedByRow(prepared(), place, 1)),
    play: () => (timer === null ? play() : pause()),
    finer: () => {
      isFiner = !isFiner;
      toStop(place.stop);
    },
    predict: () => {
      predict.toggle();
      forgetAnswer();
      show();
      if (predict.isOn) find("#answer").focus();
    },
    clear: () => {
      fed = null;
      say("#feeds", "");
      show();
    },
  };

  function press(name) {
    if (timer !== null && name !== "play") pause();
    commands[name]();
  }

  function play() {
    const wait = () => setTimeout(tick, 1000 / find("#speed").value);
    const tick = () => {
      timer = wait();
      if (!go(step(1, isFiner))) pause();
    };
    timer = wait();
    if (step(1, isFiner) === null) commands.first();
    else show();
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    show();
  }

  /** Go to where an entry is computed, or mark what it feeds. */
  function choose(cell) {
    const { tensor, place: text } = cell.dataset;
    if (tensor === undefined) return;
    const at = Number(text), { operation, writes } = prepared();
    const by = writes[tensor]?.stops.get(at);
    if (by) {
      commands.clear();
      toStop(by[(by.indexOf(place.stop) + 1) % by.length]);
      return;
    }
    fed = fedBy(prepared(), tensor, at);
    const outputs = [...fed.outputs].map((key) => placeName(operation, ...accessOf(key), words.parts.padding));
    const told = outputs.length > 1 ? words.feeds.many : outputs.length ? words.feeds.one : words.feeds.none;
    const name = placeName(operation, tensor, at, words.parts.padding);
    say("#feeds", `${fill(told, { name, count: outputs.length, outputs: outputs[0] })} ${words.feeds.clear}`);
    show();
  }

  function toPass(operation, phase) {
    if (timer !== null) pause();
    isFiner = false;
    fed = null;
    say("#feeds", "");
    go({ operation, phase, stop: 0, step: null });
  }

  // Predict mode.

  function forgetAnswer() {
    say("#verdict", "");
    find("#answer").value = "";
  }

  function answered(event) {
    event.preventDefault();
    const { operation, asked, isAsking } = momentNow();
    if (!isAsking) {
      press("next");
      return;
    }
    const name = placeName(operation, asked[0], asked[1], words.parts.padding);
    const isGivenUp = event.type === "click";
    const question = [stopKey(), name, asked[2]];
    say("#verdict", isGivenUp ? predict.show(...question) : predict.answer(...question, find("#answer").value));
    show();
    if (isGivenUp) find("#check").focus();
  }

  // Events.

  for (const button of root.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => press(button.dataset.do));
  }
  find("#phase").addEventListener("change", (event) => toPass(place.operation, Number(event.target.value)));
  find("#operation").addEventListener("change", (event) => toPass(Number(event.target.value), 0));
  find("#speed").addEventListener("input", show);
  find("#prediction").addEventListener("submit", answered);
  find("#show").addEventListener("click", answered);
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
    if (timer !== null) pause();
    isFiner = asked.step !== null;
    go(asked);
  });

  // The start.

  find("#picture").remove();
  if (operations.length) {
    find("#stepper").hidden = false;
    screen.drawOperations();
    show();
  }
  if (record.graph) {
    find("#graph").hidden = false;
    drawGraph(find("#graph"), record, allWords, (operation) => {
      toPass(operation, 0);
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
