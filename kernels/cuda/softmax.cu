// Softmax and its logarithm. Sums are double: a thousand terms of float lose up to three digits.
//
// Plain twin: kernels/numpy/activation.py.
#include "rows.cuh"

// y = e^x / Σ e^x, shifted by the largest x, which changes nothing and cannot overflow.
extern "C" __global__ void softmax_forward(const real* x, real* y, long long rows, int C, long long inner) {
    if (row_number() >= rows) return;
    Row row = row_of(row_number(), C, inner);
    real largest = largest_in(x, row);
    double sum = 0;
    FOR_EACH_IN_ROW(i, row) {
        y[i] = exp(x[i] - largest);
        sum += y[i];
    }
    real total = real(sum_of_lanes(sum));
    FOR_EACH_IN_ROW(i, row) y[i] /= total;
}

// dx = y · (dy − Σ dy · y).
extern "C" __global__ void softmax_backward(const real* grad, const real* y, real* dx, long long rows, int C,
                                            long long inner) {
    if (row_number() >= rows) return;
    Row row = row_of(row_number(), C, inner);
    double sum = 0;
    FOR_EACH_IN_ROW(i, row) sum += grad[i] * y[i];
    real along = real(sum_of_lanes(sum));
    FOR_EACH_IN_ROW(i, row) dx[i] = y[i] * (grad[i] - along);
}

extern "C" __global__ void log_softmax_forward(const real* x, real* y, long long rows, int C, long long inner) {
    if (row_number() < rows) log_softmax(x, y, row_of(row_number(), C, inner));
}

// dx = dy − e^y · Σ dy.
extern "C" __global__ void log_softmax_backward(const real* grad, const real* y, real* dx, long long rows, int C,
                                                long long inner) {
    if (row_number() >= rows) return;
    Row row = row_of(row_number(), C, inner);
    double sum = 0;
    FOR_EACH_IN_ROW(i, row) sum += grad[i];
    real total = real(sum_of_lanes(sum));
    FOR_EACH_IN_ROW(i, row) dx[i] = grad[i] - exp(y[i]) * total;
}
