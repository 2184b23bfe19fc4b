"""``tinycnn COMMAND``: what the commands share.

Bad input of any kind is one line on standard error. The exit statuses are in `tinycnn.cli.status`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from tinycnn.cli.bench import bench
from tinycnn.cli.evaluate import evaluate
from tinycnn.cli.gradcheck import gradcheck
from tinycnn.cli.info import info
from tinycnn.cli.learn import learn
from tinycnn.cli.predict import predict
from tinycnn.cli.status import BAD_INPUT, DONE, FAILED, INTERRUPTED, PIPE_CLOSED
from tinycnn.cli.step import step
from tinycnn.cli.summary import summary
from tinycnn.cli.train import train
from tinycnn.cli.tutorials import tutorials
from tinycnn.training import Diverged
from tinycnn.training.batches import NotEnoughMemory
from tinycnn.version import __version__

DEBUG = "--debug"

app = App(
    name="tinycnn",
    help=f"Convolutional networks to read, to step through and to measure. {DEBUG} shows where an error arose.",
    version=__version__,
    default_parameter=Parameter(negative=""),
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
for command in (train, evaluate, predict, summary, gradcheck, step, tutorials, info):
    app.command(command)
app.command(bench)
app.command(learn)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments
        The command and its options; those of the process where None.

    Returns
    -------
    int
        The exit status.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG in tokens
    tokens = [token for token in tokens if token != DEBUG]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # not where it is closed, or a test reads it
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:  # it is None where it was closed
            sys.stdout.flush()
        return status or DONE
    except BrokenPipeError:
        _give_up_output()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED, debug)
    except Diverged as error:
        return _complain(error, FAILED, debug)
    except (CycloptsError, ValueError, OSError, ImportError, MemoryError) as error:
        return _complain(error, BAD_INPUT, debug)


def _complain(error: BaseException | str, status: int, debug: bool) -> int:
    if debug and isinstance(error, BaseException):
        raise error
    print(f"tinycnn: {_sentence(error)}", file=sys.stderr)
    return status


def _give_up_output() -> None:
    """Send what standard output still holds nowhere, or Python complains when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(error: BaseException | str) -> str:
    if isinstance(error, UnusedCliTokensError):
        return f"unexpected argument {(error.unused_tokens or ['?'])[0]!r}; see --help"
    if isinstance(error, MemoryError) and not isinstance(error, NotEnoughMemory):
        return f"not enough memory ({str(error) or 'none is left'}): a smaller batch or model needs less"
    if isinstance(error, OSError) and error.strerror:
        if error.filename is None:  # files are named by those who open them
            _give_up_output()
            return f"standard output cannot be written to: {error.strerror}"
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
