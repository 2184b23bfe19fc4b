// A walk in words: the sentence of a step, the rows of the table, and what a part of the picture says of itself.

const graphWords = (() => {
  const FEW = 4; // numbers that are written out

  /** The name of each node: its operation, numbered where there are several of them. */
  function labelsOf(nodes) {
    const seen = {};
    return nodes.map(({ operation }) => {
      seen[operation] = (seen[operation] ?? 0) + 1;
      const isAlone = nodes.filter((node) => node.operation === operation).length === 1;
      return isAlone ? operation : `${operation} #${seen[operation]}`;
    });
  }

  return function graphWords(graph, words) {
    const labels = labelsOf(graph.nodes);
    const nameOf = (to) => (to.node === undefined ? to.leaf : labels[to.node]);

    /** A gradient in a few characters: its numbers where they are few, else its norm. */
    function gradient({ values, norm }) {
      if (values?.length === 1) return numberText(values[0]);
      if (values && values.length <= FEW) return `[${values.map(numberText).join(", ")}]`;
      return fill(words.picture.norm, { value: numberText(norm) });
    }

    /** How many numbers a part has, and how they stand. */
    function shape(sizes) {
      if (sizes.length > 1) return sizes.join(" × ");
      return sizes.length && sizes[0] !== 1 ? fill(words.picture.vector, { count: sizes[0] }) : words.picture.scalar;
    }

    const valuesOf = (send) => ({
      target: nameOf(send.to),
      gradient: gradient(send),
      sum: gradient(send.sum),
      arrived: send.arrived,
      of: send.of,
    });

    function sendSentence(send) {
      const isLast = send.arrived === send.of;
      const kind = send.isLate ? "late" : send.of === 1 ? "sends" : isLast ? "sends_last" : "sends_part";
      return fill(words.sentence[kind], valuesOf(send));
    }

    /** What a leaf has got in the end. */
    function finalSum(walk, name) {
      return walk.flatMap((step) => step.sends).findLast((send) => send.to.leaf === name).sum;
    }

    function endSentence(state) {
      if (!state.isNaive) return words.sentence.end;
      const wrong = graph.naive.differs.map((name) => {
        const [got, right] = [graph.naive.walk, graph.walk].map((walk) => gradient(finalSum(walk, name)));
        return fill(words.sentence.wrong, { name, gradient: got, right });
      });
      return fill(words.sentence.end_wrong, { wrong: wrong.join("; ") });
    }

    /** The sentence of a step. */
    function sentence(state) {
      const { step, parts } = state;
      if (!step) {
        const given = gradient(graph.walk[0].gradient);
        return fill(words.sentence.start, { node: labels[graph.root], gradient: given });
      }
      const { ran, of } = parts.get(`n${step.node}`);
      const kind = state.isAgain ? "again" : ran < of ? "runs_early" : of > 1 ? "runs_summed" : "runs";
      const values = { node: labels[step.node], gradient: gradient(step.gradient), arrived: ran, of };
      const sends = state.sends.filter((send) => send.isNow).map(sendSentence);
      return [fill(words.sentence[kind], values), ...sends, ...(state.isEnd ? [endSentence(state)] : [])].join(" ");
    }

    /** What a part says of itself in the picture, and the class that it is drawn with. */
    function told(part, state) {
      const { arrived, of, sum, ran, isNow } = state.parts.get(part.key);
      const isEarly = part.kind === "node" && ran !== null && ran < of;
      if (isEarly) return [fill(words.picture.early, { arrived: ran, of }), isNow ? "is-wrong is-now" : "is-wrong"];
      if (ran !== null && graphWalk.isOff(graph, state, part.of.id)) {
        return [words.picture.off, isNow ? "is-off is-now" : "is-off"];
      }
      if (isNow) return [words.picture.now, "is-now"];
      if (ran !== null) return [words.picture.ran, "is-done"];
      if (arrived === 0 && of > 0) return [words.picture.waits, ""];
      if (arrived < of) return [fill(words.picture.arrived, { arrived, of }), "is-part"];
      if (part.kind === "node") return [words.picture.ready, "is-ready"];
      const isWrong = graphWalk.isWrong(graph, state, part.of.leaf);
      return [`${isWrong ? "× " : ""}${gradient(sum)}`, isWrong ? "is-wrong" : "is-done"];
    }

    /** The cells of a row of the table. */
    function row(state) {
      const { step } = state;
      const sends = state.sends.filter((send) => send.isNow).map((send) => {
        const kind = send.isLate ? "send_late" : send.of > 1 ? "send_part" : "send";
        return fill(words.table[kind], valuesOf(send));
      });
      const ready = step.ready.map((id) => labels[id]).join(", ") || words.table.none;
      return { node: labels[step.node], gradient: gradient(step.gradient), sends, ready };
    }

    return { labels, gradient, shape, sentence, told, row };
  };
})();
