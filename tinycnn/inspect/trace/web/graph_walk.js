// What has happened after some steps of a walk. A state is computed anew from the record each time, and never changed.

const graphWalk = (() => {
  /** Where a gradient goes, as the key of a part: a node by its number, a leaf by its name. */
  const keyOf = (to) => (to.node === undefined ? `l${to.leaf}` : `n${to.node}`);

  /**
   * The state after `count` steps: of each part, how many gradients of how many arrived, their sum, and for a node with
   * how many it ran; all that was sent, and by which of the sender's edges; the step that was last.
   */
  function stateAt(graph, walk, count) {
    const part = (of) => ({ of, arrived: 0, sum: null, ran: null, isNow: false });
    const parts = new Map([
      ...graph.nodes.map((node) => [`n${node.id}`, part(node.consumers)]),
      ...graph.leaves.map((leaf) => [`l${leaf.name}`, part(leaf.uses)]),
    ]);
    const sends = [];
    walk.slice(0, count).forEach((step, i) => {
      const node = parts.get(`n${step.node}`);
      const isNow = i === count - 1;
      node.ran ??= node.arrived;
      node.isNow = isNow;
      for (const send of step.sends) {
        const to = parts.get(keyOf(send.to));
        const isLate = to.ran !== null;
        const edge = sends.filter((earlier) => earlier.from === step.node).length;
        if (!isLate) to.sum = send.sum;
        to.arrived = send.arrived;
        sends.push({ ...send, from: step.node, edge, isLate, isNow });
      }
    });
    const step = count ? walk[count - 1] : null;
    const isAgain = walk.slice(0, Math.max(count - 1, 0)).some((earlier) => earlier.node === step.node);
    return { parts, sends, step, isAgain, isNaive: walk !== graph.walk, isEnd: count === walk.length };
  }

  /** Whether a leaf comes out wrong in the walk of a state. */
  const isWrong = (graph, state, name) => state.isNaive && graph.naive.differs.includes(name);

  const NOTICED = 1e-4; // of the norm: more than another order of additions makes, also in float32

  /** Whether a node has run with another gradient than the right one, in the walk of a state. */
  function isOff(graph, state, id) {
    if (!state.isNaive) return false;
    const [got, right] = [graph.naive.walk, graph.walk].map((walk) => walk.find((step) => step.node === id).gradient);
    const pairs = [[got.norm, right.norm], ...(right.values ?? []).map((value, i) => [got.values[i], value])];
    return pairs.some(([one, other]) => one !== other && !(Math.abs(one - other) <= NOTICED * right.norm));
  }

  return Object.freeze({ stateAt, isWrong, isOff });
})();
