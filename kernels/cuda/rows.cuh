// Rows of an array seen as (outer, C, inner): the C entries of row (o, i) lie `inner` apart, from o · C · inner + i on.
//
// blockDim.x lanes share a row, and a block has blockDim.y rows. Where a row lies in one piece its lanes are a warp and
// read neighbours. Where rows lie side by side each has one lane, and the neighbours are other rows'.
#pragma once
#include "common.cuh"

struct Row {  // a lane's part of it: entries start, start + step, … before end
    long long start, end, step;
};

__device__ inline long long row_number() { return (long long)blockIdx.x * blockDim.y + threadIdx.y; }

__device__ inline Row row_of(long long number, int C, long long inner) {
    long long first = number / inner * C * inner + number % inner;
    return {first + threadIdx.x * inner, first + C * inner, blockDim.x * inner};
}

#define FOR_EACH_IN_ROW(i, row) for (long long i = row.start; i < row.end; i += row.step)

// Of all lanes' values, known to all lanes: they meet in pairs.
__device__ inline double sum_of_lanes(double value) {
    for (int other = blockDim.x / 2; other; other /= 2) value += __shfl_xor_sync(0xffffffff, value, other);
    return value;
}

// The largest entry that is a number: NaN need not win, as it is in every sum of the row as well.
__device__ inline real largest_in(const real* x, const Row& row) {
    real largest = -infinity();
    FOR_EACH_IN_ROW(i, row) largest = max(largest, x[i]);
    for (int other = blockDim.x / 2; other; other /= 2)
        largest = max(largest, __shfl_xor_sync(0xffffffff, largest, other));
    return largest;
}

// y = x − log Σ e^x, shifted by the largest x, which changes nothing and cannot overflow.
__device__ inline void log_softmax(const real* x, real* y, const Row& row) {
    real largest = largest_in(x, row);
    double sum = 0;
    FOR_EACH_IN_ROW(i, row) {
        y[i] = x[i] - largest;
        sum += exp(y[i]);
    }
    real log_sum = real(log(sum_of_lanes(sum)));
    FOR_EACH_IN_ROW(i, row) y[i] -= log_sum;
}
