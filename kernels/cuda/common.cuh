// What all kernels share. `real` is float or double; axis letters are cuDNN's, as everywhere in tinycnn.
#pragma once

// Windows that slide over images: a convolution's, or a pooling's (then K = C = groups).
// Output p under kernel row r reads input row p · stride_h + r · dilation_h − top.
struct Geometry {
    int N, C, H, W, K, R, S, P, Q, groups;
    int stride_h, stride_w, top, bottom, left, right, dilation_h, dilation_w;
};

// The thread's number in the grid, and how many there are.
__device__ inline long long first_entry() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline long long grid_size() { return (long long)gridDim.x * blockDim.x; }

// Where thread after thread takes entry after entry of an array of any size.
#define FOR_EACH_ENTRY(i, size) for (long long i = first_entry(); i < (size); i += grid_size())

// Where an array is (planes, cells): blockDim.y planes a block, and their cells shared out along x.
#define FOR_EACH_CELL(plane, planes, cell, cells)                                                                \
    for (long long plane = (long long)blockIdx.x * blockDim.y + threadIdx.y, once = 1; once && plane < (planes); \
         once = 0)                                                                                               \
        for (int cell = threadIdx.x; cell < (cells); cell += blockDim.x)

__device__ inline real infinity() { return real(__uint_as_float(0x7f800000)); }

// Sum over the lanes of a warp, for all of them, in the same order each time.
template <class T>
__device__ T warp_sum(T value) {
    for (int other = 16; other; other /= 2) value += __shfl_xor_sync(0xffffffff, value, other);
    return value;
}

// Sum over the threads of a block, in the same order each time. `scratch` has room for 32 numbers; the sum is for all.
template <class T>
__device__ T block_sum(T value, T* scratch) {
    int thread = threadIdx.y * blockDim.x + threadIdx.x, lane = thread % 32, warps = blockDim.x * blockDim.y / 32;
    value = warp_sum(value);
    __syncthreads();  // scratch may still be read as the sum before
    if (lane == 0) scratch[thread / 32] = value;
    __syncthreads();
    T sum = 0;
    for (int warp = 0; warp < warps; warp++) sum += scratch[warp];
    return sum;
}
