"""What is left of the three bugs, and wrong ways to mend them."""

from tinycnn.learn.case import Mutant

ROTATION = "w[:, :, ::-1, ::-1]"
NOT_ROTATED = (ROTATION, "w")
MEAN = ("np.sum(grad, axis=(0, 2, 3))", "np.mean(grad, axis=(0, 2, 3))")
OVERWRITTEN = ("left + s] +=", "left + s] =")

MUTANTS = (
    Mutant("untouched", (NOT_ROTATED, MEAN, OVERWRITTEN)),
    Mutant("not_rotated", (NOT_ROTATED,)),
    Mutant("mean_bias", (MEAN,)),
    Mutant("overwritten", (OVERWRITTEN,)),
    Mutant("not_rotated_and_mean", (NOT_ROTATED, MEAN)),
    Mutant("not_rotated_and_overwritten", (NOT_ROTATED, OVERWRITTEN)),
    Mutant("mean_and_overwritten", (MEAN, OVERWRITTEN)),
    Mutant("one_axis_rotated", ROTATION, "w[:, :, ::-1]"),
    Mutant("all_channels_rotated", ROTATION, "np.flip(w)"),
    Mutant("mean_over_images", MEAN[0], "np.sum(grad, axis=(0, 2, 3)) / N"),
    Mutant("every_cell", "top + r, left + s] +=", "top : top + kernel, left : left + kernel] +="),
)  # fmt: skip
