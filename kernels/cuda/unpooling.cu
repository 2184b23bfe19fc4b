// Max unpooling, one thread for each number that is written.
//
// Where several values go to one cell the last of them stays, and which was the last is found first: the largest of
// their numbers, whole numbers, whose maximum is the same in whatever order threads come to it.
//
// Plain twin: kernels/numpy/pooling.py.
#include "common.cuh"

// last = the number, within its plane, of the last value that goes to each cell; −1 before, and where none goes.
extern "C" __global__ void last_of_each_cell(const long long* positions, int* last, long long size, int values,
                                             int cells) {
    FOR_EACH_ENTRY(i, size) atomicMax(&last[i / values * cells + positions[i]], int(i % values));
}

extern "C" __global__ void max_unpool2d_forward(const real* x, const int* last, real* y, long long size, int values,
                                                int cells) {
    FOR_EACH_ENTRY(i, size) y[i] = last[i] < 0 ? real(0) : x[i / cells * values + last[i]];
}

extern "C" __global__ void max_unpool2d_backward(const real* grad, const long long* positions, const int* last,
                                                 real* dx, long long size, int values, int cells) {
    FOR_EACH_ENTRY(i, size) {
        long long cell = i / values * cells + positions[i];
        dx[i] = last[cell] == int(i % values) ? grad[cell] : real(0);
    }
}
