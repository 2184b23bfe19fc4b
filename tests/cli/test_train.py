"""``tinycnn train``: the main job, at once, interrupted, resumed, and refused."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinycnn as tc
from tinycnn.backend import Kernels
from tinycnn.storage import load_arrays

ROOT = Path(__file__).resolve().parents[2]


def arrays(path):
    return load_arrays(path)[0]


def test_a_run_leaves_what_it_promises(command, tmp_path):
    outcome = command("train", "--epochs", 2, "--json")
    assert outcome.status == 0
    folder = tmp_path / "runs" / "lenet5-digits-1"
    promised = {"config.json", "metrics.jsonl", "best.safetensors", "last.safetensors", "report.html"}
    assert promised <= {path.name for path in folder.iterdir()}
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row.get("epoch") for row in rows] == [1, 2, None]
    assert outcome.json["test_accuracy"] == rows[2]["test_accuracy"]
    assert outcome.json["history"] == rows[:2]
    assert outcome.json["recipe"] == json.loads((folder / "config.json").read_text())["recipe"]
    assert 0.8 < outcome.json["test_accuracy"] < 1
    again = command("evaluate", folder, "--json")
    assert again.json["test_accuracy"] == outcome.json["test_accuracy"]
    assert "2 of 2 epochs done" in command("train", "--out", folder).error


def test_the_next_run_gets_the_next_folder(command, tmp_path):
    for number in (1, 2):
        command("train", "--epochs", 1)
        assert (tmp_path / "runs" / f"lenet5-digits-{number}" / "report.html").is_file()


def test_without_the_plot_extra_the_run_is_complete_but_for_the_report(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    outcome = command("train", "--epochs", 1, "--json")
    assert outcome.status == 0
    assert "pip install 'tinycnn[plot]'" in outcome.out
    assert outcome.json["report"] is None


def test_augmentation_is_a_part_of_the_recipe_that_can_be_left_out(command):
    assert command("train", "--epochs", 1, "--json").json["recipe"]["augment"] is True
    assert command("train", "--epochs", 1, "--no-augment", "--json").json["recipe"]["augment"] is False


def test_a_run_that_diverges_names_the_layer_and_keeps_its_last_checkpoint(refused, tmp_path):
    line = refused("train", "--lr", "1e5", "--out", tmp_path / "run", status=1)
    assert re.search(r"the loss is (nan|inf) in epoch 1, batch \d+: layer \w+ \(\w+\)", line)
    assert np.isfinite(arrays(tmp_path / "run" / "last.safetensors")["model/c1.weight"]).all()


EPOCHS = 30  # of a tenth of a second or more: a run that is interrupted after two must not be done before it is


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    run = tc.training.Run.start(tc.training.Recipe.of("lenet5", "digits", epochs=EPOCHS, seed=3), folder)
    run.fit()
    run.test()
    return folder


def started(*words):
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tinycnn", "train", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_interrupted_saved_and_resumed_it_ends_bit_for_bit_the_same(undisturbed, tmp_path, command):
    folder = tmp_path / "run"
    process = started("--epochs", EPOCHS, "--seed", 3, "--out", folder)
    while "epoch 2" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)  # with seconds to go
    rest, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert [line for line in error.splitlines() if not line.startswith("tinycnn: compiling kernels")] == []
    assert f"to go on: tinycnn train --resume {folder}" in rest
    assert command("train", "--resume", folder).status == 0
    for name in ("best.safetensors", "last.safetensors"):
        expected, found = arrays(undisturbed / name), arrays(folder / name)
        assert expected.keys() == found.keys()
        assert all(np.array_equal(expected[key], found[key]) for key in expected)


def test_being_told_to_end_saves_too(tmp_path):
    folder = tmp_path / "run"
    process = started("--epochs", 50, "--out", folder)
    while "epoch" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    rest, error = process.communicate(timeout=60)
    assert process.returncode == 143, error
    assert "interrupted and saved" in rest
    assert 1 <= load_arrays(folder / "last.safetensors")[1]["state"]["position"]["epoch"] < 50


def test_a_hangup_that_is_ignored_stays_ignored(tmp_path):
    folder = tmp_path / "run"
    command = f"trap '' HUP; exec {sys.executable} -m tinycnn train --epochs 8 --out '{folder}'"
    process = subprocess.Popen(["sh", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    while "epoch 1" not in process.stdout.readline():  # by now a handler would be in place
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    assert "test accuracy" in process.communicate(timeout=120)[0]
    assert process.returncode == 0


def test_a_report_that_cannot_be_written_is_told_and_the_run_is_safe(command, refused, tmp_path):
    folder = tmp_path / "a run"
    assert command("train", "--epochs", 1, "--out", folder).status == 0
    (folder / "report.html").unlink()
    (folder / "report.html").mkdir()
    line = refused("train", "--resume", folder)
    assert re.search(rf"report.html could not be written .*: the run itself .* --resume '{folder}'' tries again", line)


def test_an_algorithm_that_cannot_run_leaves_no_folder(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(Kernels, "algorithms", ("direct", "im2col"))  # a backend that lacks two
    line = refused("train", "--algorithm", "fft", "--out", tmp_path / "run")
    assert "backend has no fft convolution; it has direct and im2col" in line
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_done_can_be_tested_again(undisturbed, command):
    before = (undisturbed / "metrics.jsonl").read_bytes()
    outcome = command("train", "--resume", undisturbed, "--json")
    assert outcome.status == 0
    assert outcome.json["epochs"] == EPOCHS
    assert (undisturbed / "metrics.jsonl").read_bytes() == before


def test_two_processes_do_not_train_in_one_folder(tmp_path, refused):
    folder = tmp_path / "run"
    process = started("--epochs", 50, "--out", folder)
    try:
        assert "training" in process.stdout.readline()
        assert "another process is training" in refused("train", "--resume", folder)
        assert "holds a run" in refused("train", "--out", folder)
    finally:
        process.kill()
        process.communicate()
    assert tc.training.Run.resume(folder).trainer.epochs == 0  # the lock went with the process


def test_an_algorithm_that_cannot_run_one_of_the_layers_is_refused_before_a_folder_is_made(refused, tmp_path):
    line = refused("train", "alexnet", "--algorithm", "winograd", "--out", tmp_path / "run")
    assert re.search(
        r"layer features\.0 of alexnet: winograd cannot run 11x11 over .*; direct, im2col and fft can$", line
    )
    assert not (tmp_path / "run").exists()


def test_an_algorithm_that_can_run_all_layers_trains(command, tmp_path):
    outcome = command("train", "--algorithm", "winograd", "--epochs", 1, "--out", tmp_path / "run", "--json")
    assert outcome.status == 0
    assert outcome.json["recipe"]["algorithm"] == "winograd"
