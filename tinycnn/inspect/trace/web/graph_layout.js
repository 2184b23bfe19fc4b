// Where the parts of a graph stand: in layers, by the longest way from the result, so that gradients flow downwards.
// An edge that passes a layer gets a bend there, which has a place of its own among that layer's nodes.

const layoutGraph = (() => {
  const SIZES = { gap: 22, row: 124, height: 66, port: 24, letter: 7.9, inset: 14, least: 104 };

  /** Parts to be placed and the edges between them; `linesOf` gives the lines of text of a part. */
  function partsAndEdges(graph, linesOf) {
    const parts = new Map();
    const part = (key, kind, of) => {
      if (!parts.has(key)) {
        const lines = linesOf(kind, of);
        const longest = Math.max(...lines.map((line) => line.length));
        const width = Math.max(SIZES.least, longest * SIZES.letter + 2 * SIZES.inset);
        const height = kind === "constant" && !lines[1] ? SIZES.height / 2 : SIZES.height;
        parts.set(key, { key, kind, of, lines, width, height, layer: 0, above: [], x: 0 });
      }
      return parts.get(key);
    };
    for (const node of graph.nodes) part(`n${node.id}`, "node", node);
    const edges = [];
    for (const node of [...graph.nodes].reverse()) { // those that use an output come before the one that made it
      const from = parts.get(`n${node.id}`);
      let sent = 0;
      node.inputs.forEach((input, place) => {
        const kind = input.node !== undefined ? "node" : input.asked ? "leaf" : "constant";
        const key = { node: `n${input.node}`, leaf: `l${input.leaf}`, constant: `c${node.id}.${place}` }[kind];
        const to = part(key, kind, input);
        to.layer = Math.max(to.layer, from.layer + 1);
        const shift = (place - (node.inputs.length - 1) / 2) * SIZES.port;
        edges.push({ from, to, shift, send: kind === "constant" ? null : sent++, bends: [] });
      });
    }
    return { parts: [...parts.values()], edges };
  }

  /** The parts of each layer; edges that pass one have a bend among them. */
  function layersOf(parts, edges) {
    const layers = Array.from({ length: Math.max(...parts.map((part) => part.layer)) + 1 }, () => []);
    for (const part of parts) layers[part.layer].push(part);
    for (const edge of edges) {
      let above = { part: edge.from, shift: edge.shift };
      for (let layer = edge.from.layer + 1; layer < edge.to.layer; layer++) {
        const bend = { kind: "bend", width: 8, height: SIZES.height, layer, above: [above], x: 0 };
        edge.bends.push(bend);
        layers[layer].push(bend);
        above = { part: bend, shift: 0 };
      }
      edge.to.above.push(above);
    }
    return layers;
  }

  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / Math.max(numbers.length, 1);
  const apart = (one, other) => (one.width + other.width) / 2 + SIZES.gap;

  /** Put a layer under what uses it: nodes and bends side by side as they wish, and leaves where room is left. */
  function settle(layer) {
    for (const part of layer) part.wish = mean(part.above.map(({ part: user, shift }) => user.x + shift));
    const first = layer.filter((part) => part.kind === "node" || part.kind === "bend");
    first.sort((one, other) => one.wish - other.wish);
    first.forEach((part, i) => {
      part.x = i ? Math.max(part.wish, first[i - 1].x + apart(first[i - 1], part)) : part.wish;
    });
    const shift = mean(first.map((part) => part.wish - part.x));
    for (const part of first) part.x += shift;
    const placed = [...first];
    const rest = layer.filter((part) => !first.includes(part)).sort((one, other) => one.wish - other.wish);
    for (const leaf of rest) {
      const isFree = (x) => placed.every((part) => Math.abs(part.x - x) >= apart(part, leaf) - 1e-6);
      const sides = placed.flatMap((part) => [part.x + apart(part, leaf), part.x - apart(part, leaf)]);
      const free = [leaf.wish, ...sides].filter(isFree);
      leaf.x = free.reduce((best, x) => (Math.abs(x - leaf.wish) < Math.abs(best - leaf.wish) ? x : best));
      placed.push(leaf);
    }
  }

  /** A curve that leaves and arrives upright, as the corners of a Bézier curve. */
  const curve = (x, y, toX, toY) => [[x, y], [x, (y + toY) / 2], [toX, (y + toY) / 2], [toX, toY]];

  /** Let each node send from left to right in the order in which its edges go on, so that they do not cross. */
  function untangle(edges) {
    for (const from of new Set(edges.map((edge) => edge.from))) {
      const going = edges.filter((edge) => edge.from === from);
      const next = (edge) => (edge.bends[0] ?? edge.to).x;
      going.sort((one, other) => next(one) - next(other)).forEach((edge, i) => {
        edge.shift = (i - (going.length - 1) / 2) * SIZES.port;
        edge.rank = (i + 1) / (going.length + 1);
      });
    }
  }

  /** The curves of an edge, from the node that sends to the part that receives. */
  function curvesOf(edge, entry) {
    const curves = [];
    let [x, y] = [edge.from.x + edge.shift, edge.from.y + SIZES.height];
    for (const bend of edge.bends) {
      curves.push(curve(x, y, bend.x, bend.y), curve(bend.x, bend.y, bend.x, bend.y + SIZES.height));
      [x, y] = [bend.x, bend.y + SIZES.height];
    }
    curves.push(curve(x, y, edge.to.x + entry, edge.to.y));
    return curves;
  }

  /** Where each edge arrives at its part: side by side, in the order in which they come. */
  function entries(edges) {
    const found = new Map();
    for (const to of new Set(edges.map((edge) => edge.to))) {
      const start = (edge) => (edge.bends.length ? edge.bends.at(-1).x : edge.from.x + edge.shift);
      const coming = edges.filter((edge) => edge.to === to).sort((one, other) => start(one) - start(other));
      const step = Math.min(SIZES.port, (to.width - 20) / coming.length);
      coming.forEach((edge, i) => found.set(edge, (i - (coming.length - 1) / 2) * step));
    }
    return found;
  }

  /** A point of a curve, from 0 at its start to 1 at its end. */
  function pointOf([a, b, c, d], t) {
    const u = 1 - t;
    return [0, 1].map((k) => u ** 3 * a[k] + 3 * u * u * t * b[k] + 3 * u * t * t * c[k] + t ** 3 * d[k]);
  }

  /** Parts with their places, edges with their curves, and the size of it all. */
  function layout(graph, linesOf) {
    const { parts, edges } = partsAndEdges(graph, linesOf);
    const layers = layersOf(parts, edges);
    layers.forEach((layer, i) => {
      settle(layer);
      for (const part of layer) part.y = 8 + i * SIZES.row;
    });
    const all = layers.flat();
    const left = Math.min(...all.map((part) => part.x - part.width / 2)) - 8;
    for (const part of all) part.x -= left;
    const width = Math.max(...all.map((part) => part.x + part.width / 2)) + 8;
    untangle(edges);
    const arrivals = entries(edges);
    for (const edge of edges) edge.curves = curvesOf(edge, arrivals.get(edge));
    return { parts, edges, width, height: 16 + (layers.length - 1) * SIZES.row + SIZES.height };
  }

  return Object.freeze({ layout, pointOf });
})();
