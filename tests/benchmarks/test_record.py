"""Records come back as they were written, and two are compared in shares of their own peaks."""

import csv
import re

import pytest

from tinycnn.benchmarks import memory, record
from tinycnn.benchmarks.compare import changes, median_ratio
from tinycnn.benchmarks.conv.convolutions import Convolution, crossover, of_model, title
from tinycnn.geometry import conv_geometry

CONVOLUTION = Convolution("given", "", conv_geometry("conv2d", (2, 3, 8, 8), (4, 3, 3, 3)))


def conv_record(threads=2, algorithm="im2col", **rows):
    made = record.new("conv", {"threads": threads, "backends": ["numba"]}, ["numpy", "no-such-distribution"])
    made |= {"convolutions": [CONVOLUTION.described], "winners": [], "against": [], "peaks": [{"flops_by": "sgemm"}]}
    made["rows"] = [
        {"convolution": 0, "pass": phase, "algorithm": algorithm, "backend": "numba", "share_of_peak": share}
        | {"median_seconds": 2.0, "quartiles_seconds": [1.9, 2.1], "samples": 15}
        for phase, share in rows.items()
    ]
    return made


def test_it_comes_back_with_the_machine_and_the_versions(tmp_path):
    path = tmp_path / "new" / "conv.json"
    made = conv_record(forward=0.5)
    record.save(path, made)
    back = record.load(path, "conv")
    assert back["rows"] == made["rows"]
    assert back["convolutions"][0]["input"] == [2, 3, 8, 8]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", back["date"])
    assert {"processor", "cores", "memory", "caches"} == back["machine"].keys()
    assert {"tinycnn", "numpy", "python", "blas"} <= back["environment"].keys()
    assert "no-such-distribution" not in back["environment"]
    assert [entry.name for entry in path.parent.iterdir()] == ["conv.json"]
    assert any(line.startswith(' {"convolution": 0') for line in path.read_text().splitlines()), "a row is a line"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", "\0", '{"format": "other"}', '{"kind": "conv"}', '{"format": "tinycnn lab 1"}'),
        *('{"format": "tinycnn lab 1", "kind": "conv", "rows": []}', '{"format": "tinycnn lab 1", "kind": "x"}'),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.json is no record of tinycnn bench conv or tinycnn bench models"):
        record.load(path)


def test_so_is_one_of_another_kind_and_a_folder(tmp_path):
    record.save(tmp_path / "a.json", conv_record())
    with pytest.raises(ValueError, match="is a record of tinycnn bench conv, expected one of models"):
        record.load(tmp_path / "a.json", "models")
    with pytest.raises(ValueError, match="is a folder: name a record in it"):
        record.load(tmp_path)


def test_the_newest_is_the_one_with_the_last_date(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no conv-\*\.json"):
        record.newest("conv", tmp_path)
    for name in ("conv-2026-01-02.json", "conv-2025-12-31.json", "models-2027-01-01.json"):
        (tmp_path / name).touch()
    assert record.newest("conv", tmp_path).name == "conv-2026-01-02.json"


def test_csv_has_a_column_for_each_name(tmp_path):
    record.save_csv(tmp_path / "a.csv", [{"a": 1, "b": [2, 3]}, {"a": 2, "c": "x, y"}])
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert rows == [{"a": "1", "b": "2x3", "c": ""}, {"a": "2", "b": "", "c": "x, y"}]


def test_changes_are_ratios_of_shares_the_slowest_first():
    old, new = conv_record(forward=0.5, backward_input=0.4), conv_record(forward=0.6, backward_input=0.2)
    slower, faster = changes(old, new)
    assert slower.name == "given: 2 x 3 -> 4, 3x3 over 8x8, backward_input, im2col, numba, 2 threads"
    assert (slower.ratio, faster.ratio) == (pytest.approx(0.5), pytest.approx(1.2))
    assert slower.is_regression(0.1)
    assert not slower.is_regression(0.6)
    assert not faster.is_regression(0)
    assert median_ratio([slower, faster]) == pytest.approx(0.85)


def test_what_scatters_by_as_much_is_no_regression():
    old, new = conv_record(forward=0.5), conv_record(forward=0.4)
    assert changes(old, new)[0].is_regression(0.1)
    new["rows"][0]["quartiles_seconds"] = [1.5, 2.1]  # a fast quarter that reaches what was usual
    assert not changes(old, new)[0].is_regression(0.1)


def test_of_few_samples_nobody_knows_how_they_scatter():
    old, new = conv_record(forward=0.5, backward_input=0.5), conv_record(forward=0.1, backward_input=0.5)
    new["rows"][0]["samples"] = 2
    assert [change.name.split(", ")[2] for change in changes(old, new)] == ["backward_input"]


def test_peaks_of_two_kinds():
    new = conv_record(forward=0.5) | {"peaks": [{"flops_by": "fused multiply-adds in registers"}]}
    with pytest.raises(ValueError, match="were measured by sgemm and by fused multiply-adds in registers: shares"):
        changes(conv_record(forward=0.5), new)


def test_records_with_nothing_in_common():
    with pytest.raises(ValueError, match="nothing in common"):
        changes(conv_record(forward=1), conv_record(threads=1, forward=1))
    with pytest.raises(ValueError, match="nothing in common"):
        changes(conv_record(forward=1), conv_record(algorithm="fft", forward=1))
    with pytest.raises(ValueError, match="bench conv cannot be compared with one of bench models"):
        changes(conv_record(), record.new("models", {}))


def test_peers_are_not_compared():
    rows = {"model": "m", "work": "train", "batch": 1, "threads": 1, "share_of_peak": 0.5, "median_seconds": 1.0}
    rows |= {"quartiles_seconds": [1.0, 1.0], "samples": 10}
    made = record.new("models", {"backends": ["numba"]}) | {"peaks": [{"flops_by": "sgemm"}]}
    made["rows"] = [rows | {"side": side, "variant": ""} for side in ("numba", "torch", "onnxruntime")]
    assert [change.name for change in changes(made, made)] == ["m train, 1 image, numba, 1 thread"]


def test_every_distinct_layer_of_a_model_on_the_usual_number_of_images():
    found = list(of_model("lenet5"))
    assert [(c.of, c.layers, c.geometry.N) for c in found] == [("lenet5", name, 64) for name in ("c1", "c3", "c5")]
    assert [c.geometry.N for c in of_model("lenet5", 2)] == [2] * 3
    with pytest.raises(ValueError, match="did you mean alexnet"):
        next(of_model("alexnett"))


def test_the_grid_keeps_the_size_of_the_image():
    found = list(crossover(channels=(2, 3), sizes=(7, 8), kernels=(1, 5), batch=2))
    assert len(found) == 8
    assert all(c.geometry.output_shape == (2, c.geometry.C, c.geometry.H, c.geometry.H) for c in found)
    assert len({(c.geometry.C, c.geometry.H, c.geometry.R) for c in found}) == 8


def test_a_title_tells_what_is_unusual():
    options = {"stride": (2, 1), "padding": (1, 0, 1, 1), "groups": 2}
    geometry = conv_geometry("conv2d", (1, 4, 9, 9), (6, 2, 3, 3), **options)
    assert title(Convolution("m", "a b", geometry).described) == (
        "m a b: 1 x 4 -> 6, 3x3 over 9x9, stride 2x1, 2 groups, padding 1x0x1x1"
    )


@pytest.mark.parametrize(("limit", "used", "inactive"), memory.CGROUPS)
def test_memory_is_what_the_system_has_or_the_control_group_leaves(tmp_path, limit, used, inactive):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  100 kB\nMemAvailable:     50 kB\nHugePages_Total:  0\n")
    assert memory.available(meminfo, tmp_path) == 50 * 1024
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    (tmp_path / limit).write_text("max\n")
    (tmp_path / used).write_text("100\n")
    (tmp_path / used).with_name("memory.stat").write_text(f"anon 60\n{inactive} 40\n")
    assert memory.available(meminfo, tmp_path) == 50 * 1024
    (tmp_path / limit).write_text("1100\n")
    assert memory.available(meminfo, tmp_path) == 1040


def test_what_does_not_fit_is_refused_before_it_is_tried(monkeypatch):
    found = Convolution("given", "", conv_geometry("conv2d", (4, 64, 224, 224), (64, 64, 3, 3)))
    monkeypatch.setattr(memory, "available", lambda: 1_200_000_000)
    memory.require_memory([CONVOLUTION, found], sides=1)
    with pytest.raises(ValueError, match=r"^given: 4 x 64 -> 64.* needs about 1\.\d GB .* 1\.2 GB are free here: "):
        memory.require_memory([CONVOLUTION, found], sides=2)
