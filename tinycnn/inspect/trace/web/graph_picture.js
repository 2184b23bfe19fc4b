// The picture of a graph: drawn once, and then painted for each state.

const graphPicture = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  /** An element of a picture. */
  function drawn(name, attributes, ...inside) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  }

  /** The lines of text of a part: what it is, its shape, and the widest of what it may say. */
  function linesOf(graph, teller, words, kind, of) {
    const sizes = of.shape ?? graph.nodes[of.node].shape;
    if (kind === "constant") return [of.leaf, sizes.length ? teller.shape(sizes) : ""];
    const early = fill(words.picture.early, { arrived: 1, of: 2 });
    if (kind === "node") return [teller.labels[of.id], teller.shape(sizes), early];
    const count = sizes.reduce((product, size) => product * size, 1);
    const few = Array(Math.min(count, 5)).fill(-0.123); // of more, the norm is told
    return [of.leaf, teller.shape(sizes), `× ${teller.gradient({ values: few, norm: 0.123 })}`];
  }

  function drawPart({ key, x, y, width, height, kind, lines, of }) {
    const round = kind === "node" ? 5 : height / 2;
    const box = drawn("rect", { x: x - width / 2, y, width, height, rx: round });
    const name = drawn("text", { x, y: y + 20, class: "tg-name" }, lines[0]);
    const shape = drawn("text", { x, y: y + 37, class: "tg-shape" }, lines[1]);
    const told = drawn("text", { x, y: y + 56, class: "tg-told" });
    const group = drawn("g", { class: `tg-part tg-${kind}` }, box, name, shape, told);
    if (kind === "node") group.dataset.node = key.slice(1);
    if (kind === "leaf") group.dataset.leaf = of.leaf;
    return { group, told };
  }

  function drawEdge({ curves, send, rank }) {
    const path = curves.map((corners, i) => `${i ? "" : `M${corners[0]}`}C${corners.slice(1).join(" ")}`).join("");
    const [x, y] = curves.at(-1)[3];
    const tip = drawn("path", { d: `M${x - 5} ${y - 8}L${x} ${y}L${x + 5} ${y - 8}`, class: "tg-tip" });
    const line = drawn("path", { d: path, class: "tg-edge" });
    const group = drawn("g", { class: send === null ? "tg-constant-edge" : "" }, line, tip);
    const [labelX, labelY] = layoutGraph.pointOf(curves[0], rank);
    const label = drawn("text", { x: labelX, y: labelY + 4, class: "tg-sent" });
    return { group, label };
  }

  return function graphPicture(graph, teller, words, goTo) {
    const layout = layoutGraph.layout(graph, (kind, of) => linesOf(graph, teller, words, kind, of));
    const svg = drawn("svg", {
      role: "img",
      "aria-label": fill(words.picture.label, { nodes: graph.nodes.length }),
      viewBox: `0 0 ${layout.width} ${layout.height}`,
      width: layout.width,
      height: layout.height,
    });
    const edges = layout.edges.map((edge) => ({ edge, ...drawEdge(edge) }));
    const parts = layout.parts.map((part) => ({ part, ...drawPart(part) }));
    svg.append(...[...edges, ...parts].map(({ group }) => group), ...edges.map(({ label }) => label));
    svg.addEventListener("click", (event) => {
      const node = event.target.closest("[data-node]");
      if (node) goTo(Number(node.dataset.node));
    });

    /** Draw a state. */
    function paint(state) {
      for (const { part, group, told } of parts.filter((each) => each.part.kind !== "constant")) {
        const [text, style] = teller.told(part, state);
        told.textContent = text;
        group.setAttribute("class", `tg-part tg-${part.kind} ${style}`);
      }
      for (const { edge, group, label } of edges.filter((each) => each.edge.send !== null)) {
        const send = state.sends.find((each) => each.from === edge.from.of.id && each.edge === edge.send);
        const style = send ? `${send.isLate ? "is-wrong" : "is-done"} ${send.isNow ? "is-now" : ""}` : "";
        group.setAttribute("class", style);
        label.setAttribute("class", `tg-sent ${style}`);
        label.textContent = send?.isNow ? `${send.isLate ? "× " : ""}${teller.gradient(send)}` : "";
      }
    }

    /** Where a node stands. */
    const placeOf = (id) => layout.parts.find((part) => part.key === `n${id}`);

    return { svg, paint, placeOf };
  };
})();
