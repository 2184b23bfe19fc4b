"""What learners write in the place of convolution_backward."""

from tinycnn.learn.case import Mutant

DY = "dy.transpose(1, 0, 2, 3).reshape(K, -1)"
DW = "(dy_matrix @ columns.T).reshape(K, C, R, S)"
WEIGHT = "w.reshape(K, -1).T"
DB = "dy.sum(axis=(0, 2, 3))"

MUTANTS = (
    Mutant("dy_reshaped_only", DY, "dy.reshape(K, -1)"),
    Mutant("rotated", WEIGHT, "w[:, :, ::-1, ::-1].reshape(K, -1).T"),
    Mutant("weight_reshaped_only", WEIGHT, "w.reshape(-1, K)"),
    Mutant("dw_reshaped_only", DW, "(columns @ dy_matrix.T).reshape(K, C, R, S)"),
    Mutant("dw_rotated", DW, f"{DW}[:, :, ::-1, ::-1]"),
    Mutant("dw_ignores_dy", DW, "(np.ones_like(dy_matrix) @ columns.T).reshape(K, C, R, S)"),
    Mutant("dx_ignores_dy", f"{WEIGHT} @ dy_matrix", f"{WEIGHT} @ np.ones_like(dy_matrix)"),
    Mutant("averaged_over_images", ((DW, f"{DW} / len(x)"), (DB, f"{DB} / len(x)"))),
    Mutant("db_averaged", DB, "dy.mean(axis=(0, 2, 3))"),
    Mutant("db_of_each_place", DB, "dy.sum(axis=0)"),
    Mutant("db_of_each_image", DB, "dy.sum(axis=(2, 3))"),
    Mutant("db_of_all", DB, "dy.sum()"),
    Mutant("order", "return dx, dw, db", "return dw, dx, db"),
)
