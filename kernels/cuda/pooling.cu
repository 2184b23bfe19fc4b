// Pooling, one thread for each number that is written. Backward looks from an input cell at the windows that it lies in
// instead of letting windows add to cells: nothing is added by two threads, so nothing depends on their order.
//
// Plain twin: kernels/numpy/pooling.py.
#include "common.cuh"

// The windows along one axis that an input cell at `place` (counted from the padding's edge) lies in: first to last.
__device__ inline int first_window(int place, int kernel, int stride) {
    return place < kernel ? 0 : (place - kernel) / stride + 1;
}

__device__ inline int last_window(int place, int stride, int windows) { return min(place / stride, windows - 1); }

// Cells of window i that count: inside the input, or inside the padded input.
__device__ inline int counted(int i, int size, int kernel, int stride, int lead, int trail) {
    int start = i * stride - lead;
    return min(start + kernel, size + trail) - max(start, -lead);
}

__device__ inline real cells_of(const Geometry& g, int p, int q, int include_pad) {
    if (include_pad)
        return real(counted(p, g.H, g.R, g.stride_h, g.top, g.bottom) *
                    counted(q, g.W, g.S, g.stride_w, g.left, g.right));
    int h = p * g.stride_h - g.top, w = q * g.stride_w - g.left;
    return real((min(h + g.R, g.H) - max(h, 0)) * (min(w + g.S, g.W) - max(w, 0)));
}

// y = the largest of a window, winner = the kernel cell r·S + s that held it: of equals the first, NaN before numbers.
extern "C" __global__ void max_pool2d_forward(const real* x, real* y, int* winner, long long planes, const Geometry g) {
    FOR_EACH_CELL(plane, planes, cell, g.P * g.Q) {
        int h = cell / g.Q * g.stride_h - g.top, w = cell % g.Q * g.stride_w - g.left;
        const real* image = x + plane * g.H * g.W;
        real best = -infinity();
        int best_cell = max(-h, 0) * g.S + max(-w, 0);  // holds where all is -inf
        for (int r = max(-h, 0); r < min(g.R, g.H - h); r++)
            for (int s = max(-w, 0); s < min(g.S, g.W - w); s++) {
                real value = image[(h + r) * g.W + w + s];
                if (value > best || (value != value && best == best)) {
                    best = value;
                    best_cell = r * g.S + s;
                }
            }
        y[plane * g.P * g.Q + cell] = best;
        winner[plane * g.P * g.Q + cell] = best_cell;
    }
}

// dx = sum of dy over the windows that the cell won.
extern "C" __global__ void max_pool2d_backward(const real* grad, const int* winner, real* dx, long long planes,
                                               const Geometry g) {
    FOR_EACH_CELL(plane, planes, cell, g.H * g.W) {
        int h = cell / g.W + g.top, w = cell % g.W + g.left;
        long long outputs = plane * g.P * g.Q;
        real sum = 0;
        for (int p = last_window(h, g.stride_h, g.P); p >= first_window(h, g.R, g.stride_h); p--)
            for (int q = last_window(w, g.stride_w, g.Q); q >= first_window(w, g.S, g.stride_w); q--) {
                int here = (h - p * g.stride_h) * g.S + w - q * g.stride_w;
                if (winner[outputs + p * g.Q + q] == here) sum += grad[outputs + p * g.Q + q];
            }
        dx[plane * g.H * g.W + cell] = sum;
    }
}

// y = sum of a window over its count.
extern "C" __global__ void avg_pool2d_forward(const real* x, real* y, long long planes, const Geometry g,
                                              int include_pad) {
    FOR_EACH_CELL(plane, planes, cell, g.P * g.Q) {
        int p = cell / g.Q, q = cell % g.Q, h = p * g.stride_h - g.top, w = q * g.stride_w - g.left;
        const real* image = x + plane * g.H * g.W;
        real sum = 0;
        for (int r = max(-h, 0); r < min(g.R, g.H - h); r++)
            for (int s = max(-w, 0); s < min(g.S, g.W - w); s++) sum += image[(h + r) * g.W + w + s];
        y[plane * g.P * g.Q + cell] = sum / cells_of(g, p, q, include_pad);
    }
}

// dx = sum, over the windows that the cell lies in, of their dy over their count.
extern "C" __global__ void avg_pool2d_backward(const real* grad, real* dx, long long planes, const Geometry g,
                                               int include_pad) {
    FOR_EACH_CELL(plane, planes, cell, g.H * g.W) {
        int h = cell / g.W + g.top, w = cell % g.W + g.left;
        real sum = 0;
        for (int p = last_window(h, g.stride_h, g.P); p >= first_window(h, g.R, g.stride_h); p--)
            for (int q = last_window(w, g.stride_w, g.Q); q >= first_window(w, g.S, g.stride_w); q--)
                sum += grad[plane * g.P * g.Q + p * g.Q + q] / cells_of(g, p, q, include_pad);
        dx[plane * g.H * g.W + cell] = sum;
    }
}
