"""What learners write in the place of conv2d."""

from tinycnn.learn.case import Mutant

KERNELS = "w.reshape(K, C * R * S)"
BIAS = " + b.reshape(K, 1)"
PRODUCT = f"{KERNELS} @ columns{BIAS}"
RESULT = "product.reshape(K, N, P, Q).transpose(1, 0, 2, 3)"

MUTANTS = (
    Mutant("reshaped_only", RESULT, "product.reshape(N, K, P, Q)"),
    Mutant("kernels_first", RESULT, "product.reshape(K, N, P, Q)"),
    Mutant("bias_in_each_product", BIAS, " + C * R * S * b.reshape(K, 1)"),
    Mutant("bias_forgotten", BIAS, ""),
    Mutant("bias_not_turned", BIAS, " + b"),
    Mutant("bias_of_the_first", BIAS, " + b[0]"),
    Mutant("weight_reshaped_only", KERNELS, "w.reshape(C * R * S, K).T"),
    Mutant("rotated", PRODUCT, f"w[:, :, ::-1, ::-1].reshape(K, C * R * S) @ columns{BIAS}"),
    Mutant("kernel_channels_last", KERNELS, "w.transpose(0, 2, 3, 1).reshape(K, C * R * S)"),
    Mutant("first_channel", PRODUCT, f"w[:, :1].reshape(K, R * S) @ columns[: R * S]{BIAS}"),
    Mutant(
        "places_swapped",
        "product.reshape(K, N, P, Q).transpose(1, 0, 2, 3)",
        "product.reshape(K, N, Q, P).transpose(1, 0, 3, 2)",
    ),
)
