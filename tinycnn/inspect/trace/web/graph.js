// The walk of backward through a graph, one operation a step: which runs, what it sends, and what waits for more.
// This file has the controls and the table; graph_walk.js says what happened, graph_words.js tells it, graph_picture.js
// draws it where graph_layout.js puts it.

const drawGraph = (() => {
  const PAUSE = 1600; // milliseconds that a step is shown while playing
  const ICONS = {
    first: "M3 3v10M12 3L7 8l5 5",
    previous: "M10 3L5 8l5 5",
    play: "M4 3l9 5-9 5z",
    pause: "M5 3v10M11 3v10",
    next: "M6 3l5 5-5 5",
    last: "M13 3v10M4 3l5 5-5 5",
  };
  const KEYS = { ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last", " ": "play" };

  const paragraph = (style, text = "") => element("p", { class: style }, text);
  const region = (style, label, inside) =>
    element("div", { class: style, tabindex: "0", role: "region", "aria-label": label }, inside);

  /** A button of the controls; those with an icon are told by their name. */
  function button(name, text, icon = ICONS[name]) {
    const made = element("button", { type: "button", "data-walk": name });
    if (icon) dress(made, text, icon);
    else made.append(text);
    return made;
  }

  function dress(made, text, icon) {
    made.setAttribute("aria-label", text);
    made.title = text;
    made.innerHTML = `<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="${icon}"/></svg>`;
  }

  /** Say that a button does nothing now; it keeps the focus, and with it the keys. */
  const turnOff = (made, isOff) => made.setAttribute("aria-disabled", String(isOff));

  /** The signs of the picture. */
  function legend(words, kinds) {
    const sign = (kind) => element("i", { class: `tg-key is-${kind}`, "aria-hidden": "true" });
    const items = kinds.map((kind) => element("li", {}, sign(kind), words.legend[kind]));
    return element("ul", { class: "tg-legend" }, ...items);
  }

  /** The table of a walk, one row a step. */
  function tableOf(words) {
    const columns = ["step", "node", "gradient", "sends", "ready"];
    const heads = columns.map((name) => element("th", { scope: "col" }, words.table[name]));
    const body = element("tbody");
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body);

    function write(rows) {
      body.replaceChildren(...rows.map(({ node, gradient, sends, ready }, i) => {
        const list = element("ul", {}, ...sends.map((send) => element("li", {}, send)));
        const cells = [node, gradient, list, ready].map((inside) => element("td", {}, inside));
        return element("tr", {}, element("th", { scope: "row" }, String(i + 1)), ...cells);
      }));
    }

    function mark(count) {
      body.querySelector("[aria-current]")?.removeAttribute("aria-current");
      body.children[count - 1]?.setAttribute("aria-current", "step");
    }

    return { table, write, mark };
  }

  return function drawGraph(container, record, allWords, openOperation) {
    const graph = record.graph;
    const words = allWords.graph;
    const teller = graphWords(graph, words);
    const picture = graphPicture(graph, teller, words, (id) => show(1 + walk.findIndex((step) => step.node === id)));
    let walk = graph.walk;
    let count = 0;
    let timer = null;

    const moves = {
      first: () => show(0),
      previous: () => show(count - 1),
      play: () => play(),
      next: () => show(count + 1),
      last: () => show(walk.length),
    };
    const buttons = Object.fromEntries(Object.keys(moves).map((name) => [name, button(name, words.controls[name])]));
    const open = button("open", words.controls.open);
    const naive = button("naive", words.controls.naive);
    naive.setAttribute("aria-pressed", "false");
    const position = element("span", { class: "tg-position" });
    const naiveNote = paragraph("tg-note", words.naive.what);
    const sentence = paragraph("tg-sentence");
    const { table, write, mark } = tableOf(words);
    const sight = region("tg-scroll", words.controls.scroll, picture.svg);
    const hasLessons = graph.nodes.some((node) => node.lesson !== null);
    const isChain = graph.nodes.every((node) => node.consumers < 2);
    const root = element(
      "section",
      { class: "tg", "aria-labelledby": "tg-title" },
      element(record.operations.length ? "h2" : "h1", { id: "tg-title" }, words.title),
      paragraph("tg-what", words.what),
      element(
        "div",
        { class: "tg-controls", role: "group", "aria-label": words.controls.group },
        ...Object.values(buttons),
        position,
        ...(hasLessons ? [open] : []),
        ...(graph.naive ? [naive] : []),
      ),
      naiveNote,
      sentence,
      sight,
      legend(words, ["now", "part", "ready", "done", ...(graph.naive ? ["wrong", "off"] : [])]),
      ...(graph.naive ? [] : [paragraph("tg-note", isChain ? words.naive.same : words.naive.same_by_chance)]),
      paragraph("tg-note", words.controls.keys),
      element(
        "details",
        {},
        element("summary", {}, words.table.summary),
        region("tg-table", words.table.scroll, table),
      ),
    );

    function show(target) {
      count = Math.min(Math.max(target, 0), walk.length);
      const state = graphWalk.stateAt(graph, walk, count);
      picture.paint(state);
      sentence.textContent = teller.sentence(state);
      const steps = { step: count, steps: walk.length };
      position.textContent = fill(count ? words.picture.position : words.picture.start, steps);
      mark(count);
      const id = state.step ? state.step.node : graph.root;
      turnOff(open, !state.step || graph.nodes[id].lesson === null);
      for (const name of ["first", "previous"]) turnOff(buttons[name], count === 0);
      for (const name of ["next", "last"]) turnOff(buttons[name], count === walk.length);
      if (count === walk.length) stop();
      const { x, y } = picture.placeOf(id); // the picture scrolls, never the page
      sight.scrollTo({ left: x - sight.clientWidth / 2, top: y - sight.clientHeight / 3 });
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      sentence.setAttribute("aria-live", "polite");
      dress(buttons.play, words.controls.play, ICONS.play);
    }

    function play() {
      if (timer !== null) {
        stop();
        return;
      }
      if (count === walk.length) show(0);
      timer = setInterval(() => (root.isConnected ? show(count + 1) : stop()), PAUSE);
      sentence.setAttribute("aria-live", "off"); // a voice would not keep up
      dress(buttons.play, words.controls.pause, ICONS.pause);
    }

    function walkOn(next) {
      walk = next;
      naive.setAttribute("aria-pressed", String(walk !== graph.walk));
      naiveNote.hidden = walk === graph.walk;
      stop();
      write(walk.map((_, i) => teller.row(graphWalk.stateAt(graph, walk, i + 1))));
      show(0);
    }

    for (const [name, move] of Object.entries(moves)) buttons[name].addEventListener("click", move);
    naive.addEventListener("click", () => walkOn(walk === graph.walk ? graph.naive.walk : graph.walk));
    open.addEventListener("click", () => {
      if (open.ariaDisabled === "false") openOperation(graph.nodes[walk[count - 1].node].lesson);
    });
    root.addEventListener("keydown", (event) => {
      const isForButton = event.key === " " && event.target.closest("button, summary");
      if (event.altKey || event.ctrlKey || event.metaKey || isForButton || !(event.key in KEYS)) return;
      event.stopPropagation(); // the steps of an operation on the same page have the same keys
      const scrolled = event.target.closest("[role=region]");
      if (scrolled && scrolled.scrollWidth > scrolled.clientWidth) return;
      event.preventDefault();
      moves[KEYS[event.key]]();
    });
    container.append(root);
    walkOn(graph.walk);
  };
})();
