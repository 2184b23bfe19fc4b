// Optimiser steps: each entry's parameter, gradient and state are read once and written once.
//
// Plain twin: kernels/numpy/optimizer.py.
#include "common.cuh"

// g = dp + weight_decay · p; v = momentum · v + g; p −= lr · v, or lr · (g + momentum · v) with Nesterov's momentum, or
// lr · g where there is no v.
extern "C" __global__ void sgd_step(real* p, const real* grad, real* v, real lr, real momentum, int nesterov,
                                    real weight_decay, long long size) {
    FOR_EACH_ENTRY(i, size) {
        real g = grad[i], step = g;
        if (weight_decay != 0) step = g = g + weight_decay * p[i];  // 0 · inf would be NaN
        if (v) {
            v[i] = momentum * v[i] + g;
            step = nesterov ? g + momentum * v[i] : v[i];
        }
        p[i] -= lr * step;
    }
}

// m = β₁·m + (1 − β₁)·g; s = β₂·s + (1 − β₂)·g²; p −= rate · m / (√s / root + eps): `rate` and `root` make up for the
// start of m and s at 0. Weight decay is `added` to g, or p is first multiplied by what is `kept` of it.
extern "C" __global__ void adam_step(real* p, const real* grad, real* m, real* s, real first, real to_first,
                                     real second, real to_second, real rate, real root, real eps, real added, real kept,
                                     long long size) {
    FOR_EACH_ENTRY(i, size) {
        real parameter = kept * p[i], g = grad[i];
        if (added != 0) g += added * parameter;
        m[i] = first * m[i] + to_first * g;
        s[i] = second * s[i] + to_second * g * g;
        p[i] = parameter - rate * m[i] / (sqrt(s[i]) / root + eps);
    }
}
