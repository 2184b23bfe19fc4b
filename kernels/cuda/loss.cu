// Cross-entropy with the softmax inside, row by row as kernels/cuda/softmax.cu.
//
// Plain twin: kernels/numpy/loss.py.
#include "rows.cuh"

// log p = log softmax(x), loss = −Σ q · log p.
extern "C" __global__ void cross_entropy_forward(const real* x, const real* q, real* log_p, real* loss, long long rows,
                                                 int C, long long inner) {
    if (row_number() >= rows) return;
    Row row = row_of(row_number(), C, inner);
    log_softmax(x, log_p, row);
    double cost = 0;
    FOR_EACH_IN_ROW(i, row)
        if (q[i] != 0) cost += q[i] * log_p[i];  // a class of no weight costs nothing, even where log p is −inf
    cost = sum_of_lanes(cost);
    if (threadIdx.x == 0) loss[row_number()] = real(-cost);
}

// dx = dloss · (Σ q · p − q).
extern "C" __global__ void cross_entropy_backward(const real* grad, const real* log_p, const real* q, real* dx,
                                                  long long rows, int C, long long inner) {
    if (row_number() >= rows) return;
    Row row = row_of(row_number(), C, inner);
    double sum = 0;
    FOR_EACH_IN_ROW(i, row) sum += q[i];
    real total = real(sum_of_lanes(sum)), factor = grad[row_number()];
    FOR_EACH_IN_ROW(i, row) dx[i] = factor * (total * exp(log_p[i]) - q[i]);
}
