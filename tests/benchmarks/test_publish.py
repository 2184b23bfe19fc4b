"""The README's figures are those of the records: tables to the letter, and a check that notices any other figure."""

import json

import pytest

from tests.oracles import oracle
from tinycnn.benchmarks.models.layers import KINDS
from tinycnn.benchmarks.publish import main
from tinycnn.benchmarks.tables import TABLES, Records

PASSES = ["forward", "backward_input"]
SIZES = {"stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "flops": 8e9, "least_bytes": 1e8}
C1 = {"of": "vgg16", "layers": "a", "input": [4, 64, 56, 56], "weight": [128, 64, 3, 3], "groups": 1} | SIZES
C2 = {"of": "vgg16", "layers": "b c", "input": [4, 64, 9, 8], "weight": [32, 32, 5, 5], "groups": 2} | SIZES
GRID = {"of": "crossover", "layers": "", "input": [1, 8, 7, 7], "weight": [8, 8, 1, 1], "groups": 1} | SIZES
TRAIN = {"model": "lenet5", "work": "train", "batch": 64, "threads": 2}
INFER = TRAIN | {"work": "inference", "batch": 1}


def timed(convolution, phase, algorithm, seconds, backend="numba"):
    row = {"convolution": convolution, "pass": phase, "backend": backend, "algorithm": algorithm, "auto": False}
    row |= {"median_seconds": seconds, "gflops": 8 / seconds, "effective": algorithm == "winograd"}
    return row | {"share_of_peak": 8e9 / seconds / 250e9}


def won(convolution, phase, *names):
    tied = list(names) if len(names) > 1 else []
    return {
        "convolution": convolution,
        "pass": phase,
        "backend": "numba",
        "winner": names[0] * (not tied),
        "tied": tied,
    }


def conv_record():
    settings = {"of": ["vgg16", "crossover"], "passes": PASSES, "backends": ["numpy", "numba"], "threads": 2}
    settings |= {"algorithms": ["direct", "im2col", "winograd"], "against": ["torch"]}
    about = {"format": "tinycnn lab 1", "kind": "conv", "date": "2026-11-28", "settings": settings}
    about["environment"] = {"tinycnn": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "numba": "0.68.1"}
    machine = {"processor": "AMD EPYC", "cores": 2, "caches": {"L1d": 32000, "L2": 1000000}}
    peaks = [{"flops": flops, "bytes": 33e9} for flops in (240e9, 250e9, 260e9)]
    rows = [timed(0, "forward", "direct", 0.08), timed(0, "forward", "winograd", 0.02)]
    rows += [timed(0, "backward_input", "direct", 0.0401), timed(0, "backward_input", "im2col", 0.04)]
    rows += [timed(1, "forward", "im2col", 4.0), timed(2, "forward", "im2col", 1e-5)]
    rows += [timed(0, "forward", "winograd", 0.05, "numpy"), timed(0, "forward", "direct", 4.0, "numpy")]
    rows += [timed(0, "backward_input", "direct", 4.01, "numpy"), timed(2, "forward", "im2col", 1, "numpy")]
    winners = [won(0, "forward", "winograd"), won(0, "backward_input", "im2col", "direct"), won(1, "forward", "im2col")]
    duel = {"convolution": 0, "pass": "forward", "peer": "torch", "variant": "channels_last"}
    against = [duel | {"times_as_fast": 1.834, "quartiles": [1.79, 1.9], "peer_seconds": 0.037}]
    against += [{"convolution": 0, "pass": "backward_input", "peer": "torch", "cannot": "it has none"}]
    about |= {"machine": machine, "peaks": peaks, "convolutions": [C1, C2, GRID], "rows": rows}
    return about | {"winners": winners, "against": against}


def models_record():
    settings = {"threads": [2], "backends": ["numba"], "against": ["torch", "onnxruntime", "dezero"]}
    about = {"format": "tinycnn lab 1", "kind": "models", "date": "2026-11-29", "settings": settings, "peaks": []}
    about["machine"] = {"processor": "AMD EPYC", "cores": 2}
    about["environment"] = {"tinycnn": "0.1.0", "torch": "2.13.0"}
    kinds = dict.fromkeys(KINDS, 0.0) | {"convolution": 0.0006, "optimiser": 0.0004}
    ours = {"side": "numba", "variant": "", "share_of_peak": 0.123, "kinds": kinds, "unfused_seconds": 0.001}
    rows = [TRAIN | ours | {"median_seconds": 0.004, "images_per_second": 16000.0, "peak_bytes": 150_000_000}]
    ours |= {"kinds": dict.fromkeys(KINDS, 0.0) | {"convolution": 0.001}}
    rows += [INFER | ours | {"median_seconds": 0.0002, "images_per_second": 500.0, "peak_bytes": 2_000_000_000}]
    rows += [TRAIN | {"side": "torch", "variant": "nchw", "median_seconds": 0.008}]
    duel = {"side": "numba", "peer": "torch", "variant": "nchw", "times_as_fast": 2.0, "quartiles": [1.9, 2.1]}
    faster = duel | {"peer": "onnxruntime", "variant": "", "times_as_fast": 0.9, "quartiles": [0.88, 0.95]}
    return about | {"peaks": [{"flops": 250e9, "bytes": 33e9}], "rows": rows, "against": [TRAIN | duel, INFER | faster]}


@pytest.fixture
def records(tmp_path):
    return Records(conv_record(), models_record(), tmp_path / "conv-2.json", tmp_path / "models-3.json")


class TestTables:
    def test_who_wins_each_pass(self, records):
        assert TABLES["conv"](records).splitlines() == [
            "| layer            | convolution                      | forward                                   "
            "| backward_input                                      |",
            "|------------------|----------------------------------|-------------------------------------------"
            "|-----------------------------------------------------|",
            "| vgg16 a, N = 4   | 64 -> 128, 3x3 over 56x56        | winograd: 20.0 ms<br>~400 GFLOP/s, ~160 % "
            "| tie of im2col, direct: 40.0 ms<br>200 GFLOP/s, 80 % |",
            "| vgg16 b c, N = 4 | 64 -> 32, 5x5 over 9x8, 2 groups | im2col: 4,000 ms<br>2.00 GFLOP/s, 1 %     "
            "| not measured                                        |",
        ]

    def test_against_torch(self, records):
        _, _, first, second = TABLES["conv against torch"](records).splitlines()
        cells = [cell.strip() for cell in first.split("|")]
        assert cells[1:-1] == [
            "vgg16 a, N = 4",
            "64 -> 128, 3x3 over 56x56",
            "1.83 (1.79 to 1.90)<br>channels_last",
            "–",
        ]
        assert second.count("–") == 2

    def test_numba_over_numpy_is_of_models_alone(self, records):
        assert TABLES["numba over numpy"](records).splitlines() == [
            "| model | direct        | im2col | winograd   |",
            "|-------|---------------|--------|------------|",
            "| vgg16 | 50.0 to 100.0 | –      | 2.5 to 2.5 |",
        ]

    def test_models_with_a_column_for_each_peer_that_was_measured(self, records):
        assert TABLES["models"](records).splitlines() == [
            "| model  | work      | images | ms a step | images/s | of peak | peak memory | times as fast as PyTorch "
            "| times as fast as ONNX Runtime |",
            "|--------|-----------|-------:|----------:|---------:|--------:|------------:|--------------------------"
            "|-------------------------------|",
            "| lenet5 | train     |     64 |      4.00 |   16,000 |    12 % |    150.0 MB | 2.00 (1.90 to 2.10)      "
            "| –                             |",
            "| lenet5 | inference |      1 |     0.200 |      500 |    12 % |      2.0 GB | –                        "
            "| 0.90 (0.88 to 0.95)           |",
        ]

    def test_threads_are_told_where_there_are_several(self, records):
        records.models["settings"]["threads"] = [1, 2]
        for name in ("models", "kinds"):
            assert "| lenet5 | train     | 2       |     64 |" in TABLES[name](records)

    def test_kinds(self, records):
        assert TABLES["kinds"](records).splitlines() == [
            "| model  | work      | images | convolution | optimiser |",
            "|--------|-----------|-------:|------------:|----------:|",
            "| lenet5 | train     |     64 |        60 % |      40 % |",
            "| lenet5 | inference |      1 |       100 % |         – |",
        ]

    def test_the_machine(self, records):
        assert " ".join(TABLES["machine"](records).split()) == (
            "Measured on 2026-11-28 and 2026-11-29 with 2 threads of 2 cores (AMD EPYC; caches: L1d 32.0 KB, L2 "
            "1.0 MB), which do 250 GFLOP/s and move 33.0 GB/s at most, by tinycnn 0.1.0, Python 3.11.7, NumPy 2.4.6, "
            "Numba 0.68.1, PyTorch 2.13.0; the records are `conv-2.json` and `models-3.json` in `benchmarks/results/`."
        )

    def test_what_was_not_measured_is_told_in_a_line(self, records):
        records.conv["against"].clear()
        with pytest.raises(ValueError, match=r"^conv-2.json has no PyTorch in it: measure with --against torch$"):
            TABLES["conv against torch"](records)
        records.conv["rows"] = [row for row in records.conv["rows"] if row["backend"] == "numba"]
        with pytest.raises(ValueError, match=r"^conv-2.json has not both numpy and numba in it"):
            TABLES["numba over numpy"](records)


README = """# Title

<!-- measured: kinds -->
old
<!-- end of kinds -->
between
<!-- measured: machine -->
<!-- end of machine -->
the end
"""


@pytest.fixture
def root(tmp_path):
    """A clone with two records of each kind, of which the older ones would fail, and a README."""
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    for kind, made in (("conv", conv_record()), ("models", models_record())):
        (results / f"{kind}-2026-11-28.json").write_text(json.dumps(made))
        (results / f"{kind}-2026-11-27.json").write_text("{}")
    (tmp_path / "README.md").write_text(README)
    return tmp_path


def published(root):
    return (root / "README.md").read_text()


def test_this_readme_is_what_the_kept_records_say(capsys):
    assert main(["--check"]) == 0, capsys.readouterr().out


class TestPublish:
    def test_blocks_are_replaced_and_nothing_else(self, root, records, monkeypatch):
        drawn = []
        monkeypatch.setattr(
            "tinycnn.benchmarks.publish.draw", lambda record, folder: drawn.append((record["kind"], folder)) or []
        )
        assert main([], root) == 0
        named = records._replace(conv_path=root / "conv-2026-11-28.json", models_path=root / "models-2026-11-28.json")
        start, rest = published(root).split("<!-- measured: kinds -->\n")
        assert start == "# Title\n\n"
        kinds, rest = rest.split("\n<!-- end of kinds -->\nbetween\n<!-- measured: machine -->\n")
        assert kinds == TABLES["kinds"](named)
        assert rest == TABLES["machine"](named) + "\n<!-- end of machine -->\nthe end\n"
        assert drawn == [("conv", root / "docs" / "lab"), ("models", root / "docs" / "lab")]
        once = published(root)
        assert main([], root) == 0
        assert published(root) == once

    def test_the_check_finds_a_changed_figure_and_writes_nothing(self, root, monkeypatch, capsys):
        monkeypatch.setattr("tinycnn.benchmarks.publish.draw", lambda record, folder: [])
        assert main(["--check"], root) == 1
        assert published(root) == README
        assert capsys.readouterr().out.count("is not what the records say") == 2
        main([], root)
        capsys.readouterr()
        assert main(["--check"], root) == 0
        assert capsys.readouterr().out == ""
        changed = published(root).replace("60 %", "61 %", 1)
        (root / "README.md").write_text(changed)
        assert main(["--check"], root) == 1
        told = capsys.readouterr().out
        assert told == "README.md: kinds is not what the records say: run python -m tinycnn.benchmarks.publish\n"
        assert published(root) == changed
        assert not (root / "docs").exists()

    def test_pictures_are_drawn_beside(self, root, capsys):
        oracle("matplotlib")
        results = root / "benchmarks" / "results"
        conv = conv_record() | {"rows": []}
        (results / "conv-2026-11-29.json").write_text(json.dumps(conv))
        models = models_record()
        (results / "models-2026-11-29.json").write_text(json.dumps(models))
        assert main([], root) == 0
        assert (root / "docs" / "lab" / "kinds.png").is_file()
        assert capsys.readouterr().out == "docs/lab/kinds.png\nREADME.md: kinds, machine\n"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("<!-- measured: kins -->\n<!-- end of kins -->\n", "unknown table 'kins': did you mean kinds?"),
            (
                "<!-- measured: kinds -->\n",
                "README.md: <!-- end of kinds --> must come after <!-- measured: kinds -->",
            ),
            (
                "\n<!-- end of kinds -->\n",
                "README.md, line 2: <!-- end of kinds --> must come after <!-- measured: kinds -->",
            ),
            (
                "<!-- measured: kinds -->\n<!-- measured: conv -->\n<!-- end of conv -->\n",
                "README.md, line 2: <!-- end of kinds --> must come before <!-- measured: conv -->",
            ),
            (
                "<!-- measured: kinds -->\n<!-- end of conv -->\n",
                "README.md, line 2: <!-- end of conv --> must come after <!-- measured: conv -->",
            ),
        ],
    )
    def test_a_wrong_line_is_one_sentence(self, root, capsys, text, told):
        (root / "README.md").write_text(text)
        assert main([], root) == 2
        assert capsys.readouterr().err == told + "\n"
        assert published(root) == text
        assert not (root / "docs").exists()

    def test_no_record_is_one_sentence(self, root, capsys):
        for path in (root / "benchmarks" / "results").glob("models-*"):
            path.unlink()
        assert main(["--check"], root) == 2
        assert "holds no models-*.json; tinycnn bench models" in capsys.readouterr().err
