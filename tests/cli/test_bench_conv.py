"""``tinycnn bench conv`` and ``compare``: what they measure, tell and write; how fast anything is, is not asked."""

import contextlib
import csv
import importlib
import io
import json

import pytest

from tests.oracles import oracle
from tinycnn.backend import cpu_backends
from tinycnn.benchmarks import record
from tinycnn.benchmarks.compare import FEWEST
from tinycnn.benchmarks.conv import contest
from tinycnn.benchmarks.conv.contest import PASSES
from tinycnn.cli.bench import conv_report
from tinycnn.cli.main import main

OWN = ("--input", "2x4x9x8", "--weight", "6x2x3x3", "--groups", "2", "--padding", "1x0", "--threads", "1")


pytestmark = pytest.mark.xdist_group("bench_conv")  # all of it is run once for this file


def made_up(threads):
    """Peaks of a machine that never was."""
    return {"flops": 1e11, "flops_by": "guess", "bytes": 1e10, "threads": threads}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All of it once, on a small convolution and a grid of four."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("lab")
    module = importlib.import_module("tinycnn.cli.bench.conv")
    words = [
        "bench",
        "conv",
        "crossover",
        *OWN,
        "--quick",
        "--runs",
        "1",
        "--repeat",
        "3",
        "--against",
        "torch",
        "--out",
        str(folder),
        "--json",
    ]
    oracle("torch")
    patch = pytest.MonkeyPatch()
    out, error = io.StringIO(), io.StringIO()
    with patch.context() as here, contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        here.setattr(module, "QUICK_GRID", {"channels": (1, 2), "sizes": (5, 6), "kernels": (3,)})
        here.setattr(contest, "PAUSE", 0)
        here.setattr("tinycnn.benchmarks.conv.measure.peaks", made_up)
        status = main(words)
    assert (status, error.getvalue()) == (0, "")
    return folder, out.getvalue()


def test_it_tells_each_pass_by_each_algorithm_on_each_backend(whole):
    folder, out = whole
    made = json.loads(out.splitlines()[-1])
    assert made == record.load(folder / "conv.json", "conv")
    assert [found["of"] for found in made["convolutions"]] == ["given", *["crossover"] * 4]
    algorithms = ("direct", "im2col", "winograd", "fft")
    keys = [(r["convolution"], r["pass"], r["backend"], r["algorithm"]) for r in made["rows"]]
    assert sorted(keys) == sorted(
        (i, phase, backend, name)
        for i in range(5)
        for phase in PASSES
        for backend in cpu_backends()
        for name in algorithms
    )
    assert made["peaks"] == [made_up(1)]
    cannot = {(row["backend"], row["algorithm"]) for row in made["rows"] if "median_seconds" not in row}
    assert cannot == {(backend, "fft") for backend in cpu_backends() if backend != "numpy"}
    assert len(made["winners"]) == 5 * 3 * len(cpu_backends())
    assert {duel["convolution"] for duel in made["against"]} == {0}, "the grid is not measured against peers"
    assert {duel["backend"] for duel in made["against"]} == {cpu_backends()[-1]}
    assert [duel["pass"] for duel in made["against"]] == list(PASSES)
    assert made["settings"]["threads"] == 1


def test_what_it_prints(whole):
    _, out = whole
    assert "given: 2 x 4 -> 6, 3x3 over 9x8, 2 groups, padding 1x0 · 2.33e-05 GFLOP" in out
    assert "peaks of this machine on 1 thread: " in out
    assert "1 run of " in out
    assert "crossover: who wins by channels" in out
    for backend in cpu_backends():
        for phase in PASSES:
            assert f"{backend} {phase}, 3x3\n" in out
            assert f"  {phase}, {backend}: " in out
    assert "times as fast as torch" in out


def test_what_it_writes(whole):
    folder, _ = whole
    rows = list(csv.DictReader((folder / "conv.csv").read_text().splitlines()))
    assert len(rows) == 5 * 3 * len(cpu_backends()) * 4
    assert rows[0]["input"] == "2x4x9x8"
    assert {row["algorithm"] for row in rows} == {"direct", "im2col", "winograd", "fft"}
    pictures = {path.name for path in folder.glob("*.png")}
    assert any(name.startswith("crossover") for name in pictures), pictures
    assert not [path for path in folder.iterdir() if path.suffix not in (".png", ".json", ".csv")]


def test_a_choice_of_passes_backends_and_algorithms(command, monkeypatch):
    monkeypatch.setattr("tinycnn.benchmarks.conv.measure.peaks", made_up)
    words = ["--pass", "backward_weight", "--backend", "numpy", "--algorithm", "fft", "--algorithm", "im2col"]
    made = command("bench", "conv", *OWN, "--quick", "--runs", "1", *words, "--json").json
    assert [(r["pass"], r["backend"], r["algorithm"]) for r in made["rows"]] == [
        ("backward_weight", "numpy", "im2col"),
        ("backward_weight", "numpy", "fft"),
    ]


def test_an_algorithm_that_cannot_run_is_shown_as_such_and_one_that_takes_long_as_not_measured(command, monkeypatch):
    monkeypatch.setattr("tinycnn.benchmarks.conv.measure.peaks", made_up)
    words = ["--input", "1x1x9x9", "--weight", "1x1x3x3", "--stride", "2", "--threads", "1", "--backend", "numpy"]
    outcome = command("bench", "conv", *words, "--quick", "--runs", "1", "--limit", "1e-9", "--json")
    assert outcome.status == 0
    rows = {row["algorithm"]: row for row in outcome.json["rows"] if row["pass"] == "forward"}
    assert "it takes 3x3 and 5x5 kernels at stride 1" in rows["winograd"]["cannot"]
    assert "longer than the limit of 1e-09 s" in rows["direct"]["skipped"]
    assert outcome.json["winners"] == []
    line = next(line for line in outcome.out.splitlines() if line.startswith("forward") and "winograd" in line)
    assert line.split() == ["forward", "numpy", "winograd", "cannot"]
    assert "numpy: winograd cannot run 3x3 over 9x9" in outcome.out
    assert "not measured" in outcome.out


def test_interrupted_it_keeps_the_runs_that_are_over(command, tmp_path, monkeypatch):
    lab = importlib.import_module("tinycnn.benchmarks.conv.measure")
    runs = []

    def peaks(threads):
        runs.append(threads)
        if len(runs) == 2:
            raise KeyboardInterrupt
        return made_up(threads)

    monkeypatch.setattr(lab, "peaks", peaks)
    outcome = command("bench", "conv", *OWN, "--backend", "numpy", "--pass", "forward", "--out", tmp_path / "lab")
    assert (outcome.status, outcome.error) == (130, "tinycnn: interrupted\n")
    kept = record.load(tmp_path / "lab" / "conv.json")
    assert [len(row["run_seconds"]) for row in kept["rows"]] == [1] * 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--input", "4x3"], "--input must be NxCxHxW, four sizes of at least 1, got 4x3"),
        (
            ["--input", "4x3x8x0", "--weight", "1x3x1x1"],
            "--input must be NxCxHxW, four sizes of at least 1, got 4x3x8x0",
        ),
        (["--input", "4x3x8x8"], "--weight is missing: a convolution of your own has --input and --weight"),
        (["--weight", "4x3x3x3"], "--input is missing"),
        (["--input", "4x3x8x8", "--weight", "4x2x3x3"], "the weight (4, 2, 3, 3) takes 2 input channels, the input"),
        (["--input", "4x3x8x8", "--weight", "4x3x9x9"], "a 9x9 kernel never fits a 8x8 input with padding 0"),
        (["--input", "4x3x8x8", "--weight", "4x3x3x3", "--stride", "0"], "stride must be at least 1, got 0"),
        (["--input", "4x3x8x8", "--weight", "4x3x3x3", "--padding", "-1"], "padding must be an int of at least 0"),
        (["--input", "4x3x8x8", "--weight", "4x3x3x3", "--padding", "some"], "padding 'some' is unknown"),
        (["--input", "4x3xax8"], "expected whole numbers with an x between them, such as 4x64x56x56, got '4x3xax8'"),
        (["lenet5", "--stride", "2"], "--stride is of a convolution of your own, which has --input and --weight too"),
        (["lenet5", "--groups", "2"], "--groups is of a convolution of your own"),
        (["lenet55"], "unknown model 'lenet55': did you mean lenet5?"),
        (["crosover"], "unknown model 'crosover': did you mean crossover?"),
        (["--pass", "forwards"], "unknown pass 'forwards': did you mean forward?"),
        (["--algorithm", "winogard"], "unknown algorithm 'winogard': did you mean winograd?"),
        (["--backend", "cupy"], "bench conv measures a CPU; python -m tinycnn.benchmarks.gpu measures a GPU"),
        (["--backend", "nump"], "backend 'nump' is not available here"),
        (["--against", "torhc"], "unknown peer 'torhc': did you mean torch?"),
        (["--batch", "0"], "--batch-size must be at least 1, got 0"),
        (["--runs", "0"], "--runs must be at least 1, got 0"),
        (["--repeat", "-1"], "--repeat must be at least 1, got -1"),
        (["--threads", "0"], "--threads must be from 1 to 1024, got 0"),
        (["--limit", "0"], "--limit must be a number of seconds above 0, got 0"),
        (["--limit", "nan"], "--limit must be a number of seconds above 0, got nan"),
        (["--limit", "inf"], "--limit must be a number of seconds above 0, got inf"),
        (["--input", "1x1x3x3", "--weight", "1x1x3x3", "--batch", "2"], "--batch is of models: the images of your own"),
        (["--input", "4096x512x224x224", "--weight", "512x512x3x3"], "fewer images need less"),
        (["lenet5", "--batch", "100000000"], "fewer images need less"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_nothing_is_measured(refused, monkeypatch, words, sentence):
    module = importlib.import_module("tinycnn.cli.bench.conv")
    monkeypatch.setattr(module, "measure", None)
    assert sentence in refused("bench", "conv", *words)


def test_a_peer_that_is_not_installed(refused, monkeypatch):
    monkeypatch.setattr("tinycnn.benchmarks.peers.find_spec", lambda name: None)
    line = refused("bench", "conv", "lenet5", "--against", "onnxruntime")
    assert "--against onnxruntime needs onnx onnxruntime, which is not installed: pip install onnx onnxruntime" in line


def test_a_folder_that_is_a_file(refused, tmp_path):
    (tmp_path / "lab").touch()
    assert "--out must be a folder" in refused("bench", "conv", "lenet5", "--out", tmp_path / "lab")


def test_each_option_has_help(command):
    text = command("bench", "conv", "--help").out
    for option in (
        "input",
        "weight",
        "stride",
        "padding",
        "batch",
        "pass",
        "backend",
        "against",
        "runs",
        "quick",
        "out",
    ):
        assert f"--{option}" in text
    assert "conv" in command("bench", "--help").out


def test_a_map_has_a_row_for_each_size_and_letters_for_each_tie():
    found = {"tied": [], "winner": "winograd"}
    outcomes = {(7, 1): found, (7, 16): {"tied": ["direct", "im2col"], "winner": ""}, (14, 1): None, (14, 16): found}
    assert conv_report._map(outcomes).splitlines() == ["       1  16", "  7x7  W  di", "14x14      W"]


# bench compare


@pytest.fixture
def records(tmp_path, whole):
    """A record, and one in which a pass of one algorithm takes twice as long."""
    folder, _ = whole
    old = record.load(folder / "conv.json")
    slow = json.loads(json.dumps(old))
    row = next(row for row in slow["rows"] if row.get("samples", 0) >= FEWEST)
    row["median_seconds"] *= 2
    row["share_of_peak"] /= 2
    row["quartiles_seconds"] = [2 * row["quartiles_seconds"][1]] * 2
    record.save(tmp_path / "old.json", old)
    record.save(tmp_path / "slow.json", slow)
    return tmp_path / "old.json", tmp_path / "slow.json"


def test_a_record_is_as_fast_as_itself(command, records):
    outcome = command("bench", "compare", records[0], records[0], "--json")
    assert outcome.status == 0
    assert "1.000 times as fast in the median" in outcome.out
    assert outcome.json["regressions"] == []
    assert {change["ratio"] for change in outcome.json["changes"]} == {1.0}


def test_a_regression_is_found_told_and_the_status(command, records):
    outcome = command("bench", "compare", *records, "--json")
    assert outcome.status == 1
    (name,) = outcome.json["regressions"]
    assert name.startswith("given: 2 x 4 -> 6, 3x3 over 9x8, 2 groups, padding 1x0, forward, ")
    assert "1 slower by more than 10 %:" in outcome.out
    assert command("bench", "compare", *records, "--tolerance", 0.6).status == 0
    assert command("bench", "compare", *records[::-1]).status == 0, "twice as fast is none"


def test_another_machine_is_told(command, records):
    made = record.load(records[1])
    made["machine"]["processor"] = "another one"
    record.save(records[1], made)
    assert "then another one" in command("bench", "compare", *records).out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.json", "none.json"], "none.json: No such file or directory"),
        (["text", "text"], "text is no record of tinycnn bench conv or tinycnn bench models"),
        (["old.json", "models.json"], "a record of bench conv cannot be compared with one of bench models"),
        (["old.json", "old.json", "--tolerance", "1"], "--tolerance must be from 0 to less than 1, such as 0.1, got 1"),
        (["old.json", "."], ". is a folder: name a record in it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_compared(refused, records, tmp_path, words, sentence):
    (tmp_path / "text").write_text("some")
    empty = {key: [] for key in ("rows", "against", "peaks")}
    record.save(tmp_path / "models.json", record.new("models", {}) | empty)
    assert sentence in refused("bench", "compare", *words)
