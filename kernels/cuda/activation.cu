// Activations, entry by entry.
//
// Plain twin: kernels/numpy/activation.py.
#include "common.cuh"

// y = max(x, 0), and NaN of NaN.
extern "C" __global__ void relu_forward(const real* x, real* y, long long size) {
    FOR_EACH_ENTRY(i, size) y[i] = x[i] <= 0 ? 0 : x[i];
}

// dx = dy where y > 0, else 0.
extern "C" __global__ void relu_backward(const real* grad, const real* y, real* dx, long long size) {
    FOR_EACH_ENTRY(i, size) dx[i] = y[i] > 0 ? grad[i] : 0;
}

// y = x where x > 0, else slope · x.
extern "C" __global__ void leaky_relu_forward(const real* x, real* y, real slope, long long size) {
    FOR_EACH_ENTRY(i, size) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

// dx = dy where x > 0, else slope · dy.
extern "C" __global__ void leaky_relu_backward(const real* grad, const real* x, real* dx, real slope, long long size) {
    FOR_EACH_ENTRY(i, size) dx[i] = x[i] > 0 ? grad[i] : slope * grad[i];
}

extern "C" __global__ void tanh_forward(const real* x, real* y, long long size) {
    FOR_EACH_ENTRY(i, size) y[i] = tanh(x[i]);
}

// dx = dy · (1 − y²).
extern "C" __global__ void tanh_backward(const real* grad, const real* y, real* dx, long long size) {
    FOR_EACH_ENTRY(i, size) dx[i] = grad[i] * (1 - y[i] * y[i]);
}

// y = 1 / (1 + e^−x), from e^−|x|, which cannot overflow.
extern "C" __global__ void sigmoid_forward(const real* x, real* y, long long size) {
    FOR_EACH_ENTRY(i, size) {
        real z = exp(-fabs(x[i]));
        y[i] = (x[i] >= 0 ? 1 : z) / (1 + z);
    }
}

// dx = dy · y · (1 − y).
extern "C" __global__ void sigmoid_backward(const real* grad, const real* y, real* dx, long long size) {
    FOR_EACH_ENTRY(i, size) dx[i] = grad[i] * y[i] * (1 - y[i]);
}
