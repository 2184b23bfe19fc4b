// Local response normalisation, a thread an entry, and batch normalisation, whose sums are a block's for each channel.
//
// LRN's window is summed anew for each entry: its channels lie in the cache, as the threads around read them too. The
// backward pass has two kernels, so that a power is computed once for each entry and not once for each window it is in.
//
// Sums over a batch are double, as millions of float terms would lose digits, and the mean is known before the squares
// are summed, as the difference of two large sums would lose more.
//
// Plain twin: kernels/numpy/normalization.py.
#include "common.cuh"

// d^−β; for the usual 3/4 by two roots, which cost less than a power.
__device__ inline real inverse_power(real d, real beta) {
    if (beta != real(0.75)) return pow(d, -beta);
    real root = sqrt(d);
    return 1 / (root * sqrt(root));
}

// y = x · d^−β with d = k + scale · Σ x² over the channels c − before … c + after that exist.
extern "C" __global__ void lrn_forward(const real* x, real* y, real* d, long long planes, int C, int positions,
                                       int before, int after, real scale, real beta, real k) {
    FOR_EACH_CELL(plane, planes, cell, positions) {
        int c = int(plane % C);
        long long at = plane * positions + cell;
        real energy = 0;
        for (int j = max(-before, -c); j <= min(after, C - 1 - c); j++) {
            real neighbour = x[at + (long long)j * positions];
            energy += neighbour * neighbour;
        }
        d[at] = k + scale * energy;
        y[at] = x[at] * inverse_power(d[at], beta);
    }
}

// The first half of dx, dy · d^−β, and what each window hands to all of its channels, dy · x · d^(−β−1).
extern "C" __global__ void lrn_shares(const real* grad, const real* x, const real* d, real* dx, real* share, real beta,
                                      long long size) {
    FOR_EACH_ENTRY(i, size) {
        dx[i] = grad[i] * inverse_power(d[i], beta);
        share[i] = dx[i] * x[i] / d[i];
    }
}

// dx −= factor · x · Σ share over the channels c − before … c + after that exist.
extern "C" __global__ void lrn_backward(const real* x, const real* share, real* dx, long long planes, int C,
                                        int positions, int before, int after, real factor) {
    FOR_EACH_CELL(plane, planes, cell, positions) {
        int c = int(plane % C);
        long long at = plane * positions + cell;
        real total = 0;
        for (int j = max(-before, -c); j <= min(after, C - 1 - c); j++) total += share[at + (long long)j * positions];
        dx[at] -= factor * x[at] * total;
    }
}

// The entries of the block's channel, its threads side by side in an image.
#define FOR_EACH_OF_CHANNEL(i, N, C, positions)                                                          \
    for (int n = threadIdx.y; n < (N); n += blockDim.y)                                                  \
        for (long long first = ((long long)n * (C) + blockIdx.x) * (positions), i = first + threadIdx.x; \
             i < first + (positions); i += blockDim.x)

// Mean and (biased) variance of the block's channel.
extern "C" __global__ void batch_statistics(const real* x, real* mean, real* variance, int N, int C, int positions) {
    __shared__ double scratch[32];
    double terms = double(N) * positions, sum = 0, squares = 0;
    FOR_EACH_OF_CHANNEL(i, N, C, positions) sum += x[i];
    double centre = block_sum(sum, scratch) / terms;
    FOR_EACH_OF_CHANNEL(i, N, C, positions) squares += (x[i] - centre) * (x[i] - centre);
    squares = block_sum(squares, scratch);
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        mean[blockIdx.x] = real(centre);
        variance[blockIdx.x] = real(squares / terms);
    }
}

// 1 / √(variance + eps) of each channel.
extern "C" __global__ void inverse_deviation(const real* variance, real* inverse_std, real eps, long long C) {
    FOR_EACH_ENTRY(c, C) inverse_std[c] = 1 / sqrt(variance[c] + eps);
}

// x̂ = (x − mean) / √(variance + eps).
extern "C" __global__ void batch_norm_forward(const real* x, const real* mean, const real* inverse_std, real* y,
                                              long long planes, int C, int positions) {
    FOR_EACH_CELL(plane, planes, cell, positions) {
        long long at = plane * positions + cell;
        y[at] = (x[at] - mean[plane % C]) * inverse_std[plane % C];
    }
}

// dx = (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)) / std, for the block's channel.
extern "C" __global__ void batch_norm_backward(const real* grad, const real* normalised, const real* inverse_std,
                                               real* dx, int N, int C, int positions) {
    __shared__ double scratch[32];
    double terms = double(N) * positions, sum = 0, product = 0;
    FOR_EACH_OF_CHANNEL(i, N, C, positions) {
        sum += grad[i];
        product += double(grad[i]) * normalised[i];
    }
    real mean = real(block_sum(sum, scratch) / terms), along = real(block_sum(product, scratch) / terms);
    real factor = inverse_std[blockIdx.x];
    FOR_EACH_OF_CHANNEL(i, N, C, positions) dx[i] = (grad[i] - mean - normalised[i] * along) * factor;
}
