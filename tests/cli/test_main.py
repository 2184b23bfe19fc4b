"""What all commands share: one line for bad input, the exit statuses, --debug, pipes that close."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinycnn.cli.main import app, main
from tinycnn.version import __version__

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ["train", "evaluate", "predict", "summary", "gradcheck", "info"]


def process(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "tinycnn", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"cwd": ROOT, **options},
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], 'Did you mean "train"?'),
        (["train", "--epoch", "3"], "Unknown option: --epoch. Did you mean --epochs?"),
        (["train", "lenett"], "unknown model 'lenett': did you mean lenet5?"),
        (["train", "--data", "minst"], "unknown data set 'minst': did you mean mnist?"),
        (
            ["train", "--data", "imagenet"],
            "unknown data set 'imagenet': choose from digits, mnist, fashion-mnist, cifar10",
        ),
        (["train", "--algorithm", "imcol"], "unknown algorithm 'imcol': did you mean im2col?"),
        (["train", "--cuda-graph"], "cuda_graph is for a GPU, and the backend is"),
        (["train", "--epochs", "many"], "--epochs: expected a whole number such as 12, got 'many'"),
        (["train", "--epochs", "3.5"], "--epochs: expected a whole number such as 12, got '3.5'"),
        (["train", "--epochs"], "--epochs requires an argument"),
        (["train", "--lr", "fast"], "--lr: expected a number such as 0.1, got 'fast'"),
        (["train", "--lr", "0,1"], "--lr: expected a number such as 0.1, got '0,1'"),
        (["train", "--threads", "9" * 20], "threads must be a whole number from 1 to 1024"),
        (["train", "--data", ""], "unknown data set '': choose from digits"),
        (["train", ""], "unknown model '': choose from lenet5"),
        (["train", "--resume", ""], "--resume: expected a path, got an empty word"),
        (["evaluate", "/dev/null"], "/dev/null is no file"),
        (["train", "--lr", "nan"], "lr must be above 0"),
        (["train", "--validation", "1"], "validation must be a part from 0 up to"),
        (["train", "lenet5", "digits"], "unexpected argument 'digits'"),
        (["train", "--resume", "here", "--lr", "1"], "leave out --lr"),
        (["train", "vgg16", "--resume", "here"], "leave out the model"),
        (["train", "--resume", "nowhere"], "there is no folder nowhere"),
        (["evaluate", "nowhere"], "nowhere"),
        (["evaluate", "--data", "mnits"], "did you mean mnist?"),
        (["summary", "resnet"], "unknown model 'resnet'"),
        (["summary", "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["gradcheck", "conv3d"], "unknown operation 'conv3d': did you mean conv2d?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(refused, words, sentence):
    assert sentence in refused(*words)


def test_debug_shows_where_it_arose(command):
    with pytest.raises(ValueError, match="unknown model"):
        command("summary", "resnet", "--debug")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_for_each_option(command, name):
    text = command(name, "--help").out
    assert f"Usage: tinycnn {name}" in text
    parameters = inspect.signature(app[name].default_command).parameters
    rows = {option: re.search(rf"--{option.replace('_', '-')}(?: +\S+)? {{2,}}\w", text) for option in parameters}
    rows.pop("images", None)  # named by their place
    rows.pop("what", None)
    assert rows
    assert not [option for option, row in rows.items() if row is None], text


def test_without_a_command_there_is_help(command):
    outcome = command()
    assert outcome.status == 0
    assert all(name in outcome.out for name in COMMANDS)


def test_the_version(command):
    assert command("--version").out == f"{__version__}\n"


def test_a_bug_is_not_passed_off_as_bad_input(monkeypatch):
    def broken():
        raise KeyError("bug")

    monkeypatch.setattr("tinycnn.cli.info.environment", broken)
    with pytest.raises(KeyError):
        main(["info"])


def test_a_pipe_that_closes_early_is_told_by_the_status_alone():
    done = process("info", stdin=subprocess.DEVNULL)
    done.stdout.close()
    assert done.wait(60) == 141
    assert done.stderr.read() == ""
    done.stderr.close()


def test_numbers_are_told_plainly_where_output_is_no_terminal():
    done = subprocess.run([sys.executable, "-m", "tinycnn", "summary"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_standard_output_that_is_closed_or_full():
    for redirection, status, told in (
        (">&-", 0, ""),
        (">/dev/full", 2, "tinycnn: standard output cannot be written to"),
    ):
        command = f"{sys.executable} -m tinycnn info {redirection}"
        done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert done.stderr.startswith(told)
        assert done.stderr.count("\n") == bool(told)


def test_a_terminal_that_knows_no_unicode_gets_help_all_the_same():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "tinycnn", "train", "--help"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--epochs" in done.stdout
