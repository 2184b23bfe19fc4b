"""Training: the loop, what watches it, and runs that are kept in a folder and can be resumed."""

from tinycnn.training.checkpoint import Checkpoint, load_checkpoint
from tinycnn.training.divergence import Diverged
from tinycnn.training.evaluation import Evaluation, evaluate
from tinycnn.training.recipe import Recipe
from tinycnn.training.report import write_report
from tinycnn.training.run import Run
from tinycnn.training.stopping import EarlyStopping
from tinycnn.training.trainer import Callback, Trainer

__all__ = [
    "Callback",
    "Checkpoint",
    "Diverged",
    "EarlyStopping",
    "Evaluation",
    "Recipe",
    "Run",
    "Trainer",
    "evaluate",
    "load_checkpoint",
    "write_report",
]
