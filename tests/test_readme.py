"""The README's examples run as they stand and print what their comments say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.oracles import data_file

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^(<!-- training script -->\n)?```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
TRAINING = [code for marker, code in BLOCKS if marker]
EXAMPLES = [code for marker, code in BLOCKS if not marker]


def run(code, folder):
    path = folder / "example.py"
    path.write_text(code, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, path]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=600)


def promised(code):
    """What the comments say is printed: after a print on its line, or on the lines below it; … stands for anything."""
    lines = []
    after_print = False
    for line in code.splitlines():
        same_line = re.match(r"print\(.*\)  # (.*)", line)
        if same_line:
            lines.append(same_line[1])
        elif after_print and line.startswith("# "):
            lines.append(line[2:])
        after_print = line.startswith("print(") or (after_print and line.startswith("#"))
    return lines


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.strip().splitlines()[-1][:40])
def test_an_example_prints_what_its_comments_say(code, tmp_path):
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    expected = promised(code)
    assert expected, "an example without a printed result shows nothing"
    pattern = r"\n".join(".*" if line == "…" else re.escape(line) for line in expected)
    assert re.fullmatch(pattern, result.stdout.strip(), re.DOTALL), result.stdout


def test_the_training_script_learns_real_digits(tmp_path):
    data_file("mnist/train-images-idx3-ubyte.gz")
    (script,) = TRAINING
    result = run(script, tmp_path)
    assert result.returncode == 0, result.stderr
    error = re.search(r"test error ([\d.]+) %", result.stdout)
    assert error, result.stdout
    assert float(error[1]) < 1.5
