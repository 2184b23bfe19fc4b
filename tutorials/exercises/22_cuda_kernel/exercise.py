"""Max pooling on a GPU.

Write the body of a CUDA kernel, in C++, as a string: one thread for each entry of y.
"""

KERNEL = r"""
extern "C" __global__ void max_pool2d(
    const float* x, float* y, int planes, int H, int W, int kernel, int stride, int P, int Q)
{
    # --- solution
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= planes * P * Q) return;
    int q = i % Q, p = i / Q % P, plane = i / Q / P;
    const float* window = x + (plane * H + p * stride) * W + q * stride;
    float best = window[0];
    for (int r = 0; r < kernel; r++)
        for (int s = 0; s < kernel; s++)
            if (window[r * W + s] > best) best = window[r * W + s];
    y[i] = best;
    # --- stub
    # // one thread for each entry of y
    # --- end
}
"""
