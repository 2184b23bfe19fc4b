// Convolution as it is defined, one thread for each number that is written (a block, for a gradient of the weight).
//
//     forward           y[n, k, p, q]  = b[k] + Σ_{c, r, s} w[k, c, r, s] · x[n, c, p·stride + r·dilation − pad, …]
//     backward_input    dx[n, c, h, w] = Σ_{k, r, s} w[k, c, r, s] · dy[n, k, p, q] where output p under r reads row h
//     backward_weight   dw[k, c, r, s] = Σ_{n, p, q} dy[n, k, p, q] · x[n, c, p·stride + r·dilation − pad, …]
//
// All threads of a warp read the same weight, and neighbouring cells of x, so that caches serve most reads. Yet each
// product still costs two loads, where a tile of `conv_implicit_gemm` uses what it has loaded dozens of times.
//
// Plain twin: kernels/numpy/conv_direct.py.
#include "convolution.cuh"

extern "C" __global__ void direct_forward(const real* x, const real* weight, const real* bias, real* y, int relu,
                                          const Geometry g) {
    int K = g.K / g.groups, C = g.C / g.groups;  // of one group
    FOR_EACH_CELL(plane, (long long)g.N * g.K, cell, g.P * g.Q) {
        int n = int(plane / g.K), k = int(plane % g.K);
        int h = cell / g.Q * g.stride_h - g.top, w = cell % g.Q * g.stride_w - g.left;
        const real* image = x + ((long long)n * g.C + k / K * C) * g.H * g.W;
        const real* kernel = weight + (long long)k * C * g.R * g.S;
        real sum = 0;
        for (int c = 0; c < C; c++, image += g.H * g.W, kernel += g.R * g.S)
            for (int r = 0; r < g.R; r++) {
                int row = h + r * g.dilation_h;
                if (row < 0 || row >= g.H) continue;
                for (int s = 0; s < g.S; s++) {
                    int column = w + s * g.dilation_w;
                    if (column >= 0 && column < g.W) sum += kernel[r * g.S + s] * image[row * g.W + column];
                }
            }
        if (bias) sum += bias[k];
        y[plane * g.P * g.Q + cell] = relu && sum <= 0 ? 0 : sum;
    }
}

extern "C" __global__ void direct_backward_input(const real* grad, const real* weight, real* dx, const Geometry g) {
    int K = g.K / g.groups, C = g.C / g.groups;
    FOR_EACH_CELL(plane, (long long)g.N * g.C, cell, g.H * g.W) {
        int n = int(plane / g.C), c = int(plane % g.C), group = c / C;
        const real* outputs = grad + ((long long)n * g.K + group * K) * g.P * g.Q;
        const real* kernel = weight + ((long long)group * K * C + c % C) * g.R * g.S;
        real sum = 0;
        for (int k = 0; k < K; k++, outputs += g.P * g.Q, kernel += (long long)C * g.R * g.S)
            for (int r = 0; r < g.R; r++) {
                int p = window_over(cell / g.W, r, g.top, g.stride_h, g.dilation_h, g.P);
                if (p < 0) continue;
                for (int s = 0; s < g.S; s++) {
                    int q = window_over(cell % g.W, s, g.left, g.stride_w, g.dilation_w, g.Q);
                    if (q >= 0) sum += kernel[r * g.S + s] * outputs[p * g.Q + q];
                }
            }
        dx[plane * g.H * g.W + cell] = sum;
    }
}

// A block for each pair of channels (k, c), whose warps share out the kernel's cells, and lanes images and outputs.
extern "C" __global__ void direct_backward_weight(const real* grad, const real* x, real* dw, const Geometry g) {
    int K = g.K / g.groups, C = g.C / g.groups, k = blockIdx.x / C, c = blockIdx.x % C;
    int lane = threadIdx.x % 32, outputs = g.P * g.Q;
    const real* dy = grad + (long long)k * outputs;
    const real* image = x + (long long)(k / K * C + c) * g.H * g.W;
    for (int tap = threadIdx.x / 32; tap < g.R * g.S; tap += blockDim.x / 32) {
        int down = tap / g.S * g.dilation_h - g.top, across = tap % g.S * g.dilation_w - g.left;
        real sum = 0;
        for (int n = 0; n < g.N; n++)
            for (int cell = lane; cell < outputs; cell += 32) {
                int h = cell / g.Q * g.stride_h + down, w = cell % g.Q * g.stride_w + across;
                if (h >= 0 && h < g.H && w >= 0 && w < g.W)
                    sum += dy[(long long)n * g.K * outputs + cell] * image[((long long)n * g.C * g.H + h) * g.W + w];
            }
        sum = warp_sum(sum);
        if (lane == 0) dw[(long long)blockIdx.x * g.R * g.S + tap] = sum;
    }
}
