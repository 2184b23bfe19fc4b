"""The hot loops, one package per backend; they know arrays and geometry, never Tensor."""
