// Where an entry lies: from its flat place to its index and its name, and which axes of a tensor the loops are at.

/** How many entries one step along each axis skips. */
function stridesOf(shape) {
  const strides = Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/** The index of a flat place. */
function indexOf(shape, place) {
  return stridesOf(shape).map((stride, axis) => Math.floor(place / stride) % shape[axis]);
}

/** The name of an entry, such as x[0, 1, 2, 3]. */
function placeName(operation, tensor, place, padding) {
  const shape = operation.tensors[tensor]?.shape;
  if (place < 0 || !shape) return place === -1 ? padding : tensor;
  return shape.length ? `${tensor}[${indexOf(shape, place).join(", ")}]` : tensor;
}

/** All indices of some axes, in order, as arrays. */
function indicesOf(sizes) {
  const longer = (found, size) => found.flatMap((index) => [...Array(size).keys()].map((i) => [...index, i]));
  return sizes.reduce(longer, [[]]);
}

/** Whether an index over axes is where the loops are: all letters that the loops have agree, and there is one. */
function isAtLoops(letters, index, loops) {
  const known = letters.map((letter, i) => [loops[letter], index[i]]).filter(([loop]) => loop !== undefined);
  return known.length > 0 && known.every(([loop, at]) => loop === at);
}
