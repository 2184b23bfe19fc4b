"""The lab's pictures: every point, cell and bar against the record, and all that is written can be read."""

import sys
from itertools import combinations
from math import log2

import numpy as np
import pytest

from tests.benchmarks.lab_records import ALGORITHMS, PASSES, conv_record, models_record
from tests.oracles import oracle
from tinycnn.benchmarks.conv.verdict import MARGIN
from tinycnn.benchmarks.pictures import draw
from tinycnn.benchmarks.pictures.crossover import crossover
from tinycnn.benchmarks.pictures.kinds import kinds
from tinycnn.benchmarks.pictures.layers import layers
from tinycnn.benchmarks.pictures.roofline import roofline

oracle("matplotlib")


@pytest.fixture(scope="module")
def conv():
    return conv_record(against=("torch", "onnxruntime"))


@pytest.fixture(scope="module")
def models():
    return models_record(against=("torch", "onnxruntime", "dezero"))


def rows_of(record, phase, algorithm, index=None):
    return [
        row
        for row in record["rows"]
        if (row["pass"], row["algorithm"]) == (phase, algorithm) and index in (None, row["convolution"])
    ]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def written(figure):
    """All that is written anywhere in a figure when it is drawn."""
    from matplotlib.text import Text

    found, draw_text = [], Text.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", lambda text, renderer: (found.append(text), draw_text(text, renderer))[1])
        figure.draw_without_rendering()
    return [text for text in dict.fromkeys(found) if text.get_text().strip() and text.get_visible()]


class TestRoofline:
    def test_points_are_the_layers_rates_and_none_of_the_grids(self):
        conv = conv_record()
        rows_of(conv, "backward_input", "fft", 0)[0]["gflops"] = 0.01  # the panels share an axis: all of them show it
        for axes, phase in zip(roofline(conv).axes, PASSES, strict=True):
            assert axes.get_title() == phase
            lines = {line.get_label(): line for line in axes.lines}
            for name in ALGORITHMS:
                rows = [row for row in rows_of(conv, phase, name) if "median_seconds" in row]
                found = [(conv["convolutions"][row["convolution"]], row["gflops"]) for row in rows]
                expected = [(c["flops"] / c["least_bytes"], rate) for c, rate in found if c["of"] != "crossover"]
                np.testing.assert_allclose(np.transpose(lines[name].get_data()), expected)
                assert axes.get_ylim()[0] < min(rate for _, rate in expected)
                assert axes.get_ylim()[1] > max(rate for _, rate in expected)
                assert (lines[name].get_markerfacecolor() == "#ffffff") == (name in ("winograd", "fft"))

    def test_the_roof_is_the_median_of_the_peaks(self, conv):
        peaks = [conv["peaks"][0] | {"flops": flops, "bytes": moved} for flops, moved in ((9e9, 1e9), (1e11, 2e10))]
        figure = roofline(conv | {"peaks": [*peaks, conv["peaks"][0] | {"flops": 3e11, "bytes": 5e10}]})
        roof = next(line for line in figure.axes[0].lines if line.get_label() == "roof")
        (left, ridge, _), heights = roof.get_data()
        assert ridge == pytest.approx(5)
        np.testing.assert_allclose(heights, [20 * left, 100, 100])
        assert {"100 GFLOP/s", "20.0 GB/s", "ridge: 5.0 FLOP per byte"} <= set(texts(figure.axes[0]))

    def test_of_two_backends_the_faster_one_is_drawn(self):
        both = conv_record(("lenet5",), ("numba", "numpy"))
        alone = conv_record(("lenet5",))
        drawn = [{line.get_label(): line.get_ydata() for line in roofline(r).axes[0].lines} for r in (both, alone)]
        np.testing.assert_array_equal(drawn[0]["im2col"], drawn[1]["im2col"])


class TestCrossover:
    def cells(self, figure):
        """What is written, by kernel, size and channels; and the colours' numbers."""
        found, colours = {}, {}
        for axes in figure.axes:
            if not axes.get_title():
                continue  # the scale
            kernel = int(axes.get_title().split("x")[0])
            channels = [int(label.get_text()) for label in axes.get_xticklabels()]
            sizes = (7, 14, 28, 56, 112)
            (image,) = axes.images
            for y, size in enumerate(sizes):
                for x, count in enumerate(channels):
                    value = image.get_array()[y, x]
                    colours[kernel, size, count] = np.nan if np.ma.is_masked(value) else float(value)
            for text in axes.texts:
                x, y = text.get_position()
                found[kernel, sizes[y], channels[x]] = text.get_text().split("\n")
        return found, colours

    @pytest.mark.parametrize("phase", PASSES)
    def test_every_cell_tells_the_ratio_a_tie_or_nothing(self, conv, phase):
        found, colours = self.cells(crossover(conv, phase))
        assert len(colours) == 9 * 5 * 4
        winners = {w["convolution"]: w for w in conv["winners"] if w["pass"] == phase}
        seen = set()
        for i, entry in enumerate(conv["convolutions"]):
            if entry["of"] != "crossover":
                continue
            key = entry["weight"][2], entry["input"][2], entry["input"][1]
            direct, im2col, winograd, _ = (
                rows_of(conv, phase, name, i)[0].get("median_seconds") for name in ALGORITHMS
            )
            if not (direct and im2col):
                assert key not in found
                assert np.isnan(colours[key])
                continue
            if max(direct, im2col) / min(direct, im2col) < MARGIN:
                assert found[key][0] == "tie"
                assert np.isnan(colours[key])
                seen.add("tie")
                continue
            assert colours[key] == pytest.approx(log2(im2col / direct))
            who, ratio = ("d", im2col / direct) if direct < im2col else ("i", direct / im2col)
            expected = [f"{who}{ratio:.1f}"]
            if winners[i]["winner"] == "winograd":
                expected.append(f"W{min(direct, im2col) / winograd:.1f}")
            assert found[key] == expected
            seen |= {who, *(line[0] for line in expected)}
        assert seen == {"tie", "d", "i", "W"}

    def test_it_says_what_is_compared_and_why_cells_are_missing(self, conv):
        figure = crossover(conv, "forward")
        told = [text.get_text() for text in written(figure)]
        assert "im2col against direct convolution, forward: 1 image, numba backend, 2 threads" in told
        assert "not measured: a call would take longer than the limit of 0.1 s" in told
        hatched = [patch for axes in figure.axes for patch in axes.patches if patch.get_hatch()]
        missing = {
            row["convolution"]
            for name in ("direct", "im2col")
            for row in rows_of(conv, "forward", name)
            if "skipped" in row
        }
        assert len(hatched) == len(missing) > 0

    def test_the_scale_ends_at_four_times(self, conv):
        assert crossover(conv, "forward").axes[0].images[0].get_clim() == (-2, 2)

    def test_a_grid_of_three_kernels_has_three_maps(self, conv):
        entries = [e | ({"of": "other"} if e["weight"][2] == 7 else {}) for e in conv["convolutions"]]
        titles = [axes.get_title() for axes in crossover(conv | {"convolutions": entries}, "forward").axes]
        assert [title for title in titles if title] == ["1x1 kernel", "3x3 kernel", "5x5 kernel"]


class TestLayers:
    def test_bars_are_the_milliseconds(self, conv):
        figure = layers(conv, "alexnet")
        indices = [i for i, entry in enumerate(conv["convolutions"]) if entry["of"] == "alexnet"]
        for axes, phase in zip(figure.axes, PASSES, strict=True):
            bars = {group.get_label(): list(group) for group in axes.containers}
            longest = max(bar.get_width() for group in bars.values() for bar in group)
            for name in ALGORITHMS:
                rows = [rows_of(conv, phase, name, i)[0] for i in indices]
                times = [1e3 * row["median_seconds"] for row in rows if "median_seconds" in row]
                np.testing.assert_allclose([bar.get_width() for bar in bars[name]], np.minimum(times, longest))
        assert [label.get_text().split("\n")[0] for label in figure.axes[0].get_yticklabels()] == [
            conv["convolutions"][i]["layers"] for i in indices
        ]

    def test_winners_ties_autos_and_what_cannot_run_are_marked(self):
        record = conv_record(("lenet5",), against=())
        record["convolutions"][1:] = []
        for name, seconds in {"direct": 1e-3, "im2col": 1.01e-3, "fft": 1}.items():
            for row in rows_of(record, "forward", name, 0):
                row.update(median_seconds=seconds, auto=name == "im2col")
        for row in rows_of(record, "forward", "winograd", 0):
            del row["median_seconds"]
            row["cannot"] = "it cannot"
        record["winners"][0] |= {"winner": "", "tied": ["direct", "im2col"]}
        assert texts(layers(record, "lenet5").axes[0]) == ["1.00 ★", "1.01 ★ auto", "cannot", "» 1,000"]
        record["winners"][0] |= {"winner": "direct", "tied": []}
        figure = layers(record, "lenet5")
        assert texts(figure.axes[0]) == ["1.00 ★", "1.01 auto", "cannot", "» 1,000"]
        assert max(bar.get_width() for bar in figure.axes[0].patches) == pytest.approx(3)

    def test_peers_have_their_fastest_time(self, conv):
        figure = layers(conv, "lenet5")
        for axes, phase in zip(figure.axes, PASSES, strict=True):
            for peer in ("torch", "onnxruntime"):
                duels = [r for r in conv["against"] if (r["pass"], r["peer"]) == (phase, peer) and r["convolution"] < 3]
                longest = max(bar.get_width() for bar in axes.patches)
                expected = [min(1e3 * row["peer_seconds"], longest) for row in duels if "peer_seconds" in row]
                ends = [line.get_xdata()[1] for line in axes.lines if line.get_label() == peer]
                np.testing.assert_allclose(ends, expected)
        assert sum("at its fastest" in text.get_text() for text in written(figure)) == 2

    def test_a_pass_in_which_nothing_was_measured(self):
        record = conv_record(("lenet5",), against=())
        record["rows"] = [row for row in record["rows"] if row["pass"] == "forward"]
        record["winners"] = [row for row in record["winners"] if row["pass"] == "forward"]
        figure = layers(record, "lenet5")
        assert [len(axes.patches) for axes in figure.axes] == [12, 0, 0]


class TestKinds:
    def test_bars_are_the_percents_and_end_with_the_whole(self, models):
        (axes,) = kinds(models).axes
        rows = [row for row in models["rows"] if "kinds" in row]
        bars = {group.get_label(): [bar.get_width() for bar in group] for group in axes.containers}
        for place, row in enumerate(rows):
            assert set(bars) == set(row["kinds"])  # each is something in one of the models at least
            for name, seconds in row["kinds"].items():
                assert bars[name][place] == pytest.approx(100 * seconds / row["unfused_seconds"])
        np.testing.assert_allclose(np.sum(list(bars.values()), axis=0), 100)
        told = texts(axes)
        whole = f"{1e3 * rows[0]['unfused_seconds']:.3f} ms"
        assert whole in told
        assert axes.get_yticklabels()[1].get_text() == "lenet5 train, 16 images"

    def test_peers_stand_where_their_fastest_way_ends(self, models):
        (axes,) = kinds(models).axes
        ours = next(row for row in models["rows"] if "kinds" in row)
        keys = "model", "work", "batch", "threads"
        theirs = [
            row["median_seconds"]
            for row in models["rows"]
            if row["side"] == "torch" and all(row[key] == ours[key] for key in keys)
        ]
        first = next(line for line in axes.lines if line.get_label() == "torch")
        assert len(theirs) == 3
        assert first.get_xdata()[1] == pytest.approx(100 * min(theirs) / ours["unfused_seconds"])

    def test_a_peer_that_takes_far_longer_is_told_in_percent(self):
        record = models_record(against=("torch",))
        for row in record["rows"]:
            if row["side"] == "torch":
                row["median_seconds"] *= 10
        (axes,) = kinds(record).axes
        assert max(line.get_xdata()[1] for line in axes.lines) == 200
        assert any(text.startswith("» ") for text in texts(axes))

    def test_threads_and_backends_are_told_with_each_bar_or_once(self):
        (axes,) = kinds(models_record(("numpy", "numba"), (), (1, 2))).axes
        assert axes.get_yticklabels()[0].get_text() == "lenet5 train, 1 image, numpy, 1 thread"
        assert axes.figure.get_suptitle() == "A step by kind of work"
        assert kinds(models_record()).get_suptitle() == "A step by kind of work: numba backend, 2 threads"


class TestLegibility:
    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda conv, models: roofline(conv), id="roofline"),
            pytest.param(lambda conv, models: roofline(conv_record(("lenet5",))), id="roofline of few"),
            pytest.param(lambda conv, models: crossover(conv, "forward"), id="crossover"),
            pytest.param(lambda conv, models: layers(conv, "vgg16"), id="vgg16"),
            pytest.param(lambda conv, models: layers(conv, "alexnet"), id="alexnet"),
            pytest.param(lambda conv, models: layers(conv, "lenet5"), id="lenet5"),
            pytest.param(lambda conv, models: kinds(models), id="kinds"),
        ],
    )
    def test_nothing_that_is_written_overlaps_is_small_or_is_cut_off(self, conv, models, make):
        figure = make(conv, models)
        told = written(figure)
        whole, boxes = figure.bbox.padded(1), []
        for text in told:
            box = text.get_window_extent()
            assert text.get_fontsize() >= 9, text
            assert whole.contains(box.x0, box.y0), text
            assert whole.contains(box.x1, box.y1), text
            if text.get_rotation() in (0, 90):  # the box of a slanted line is larger than it is
                boxes.append((text.get_text(), box.padded(-1)))
        assert len(boxes) > 20
        assert not [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]


class TestDraw:
    def test_all_that_there_is_data_for(self, conv, tmp_path):
        record = conv_record(("lenet5", "crossover"))
        record["settings"]["passes"] = ["forward"]
        names = ["roofline", "layers-lenet5", "crossover-forward"]
        found = draw(record, tmp_path / "made" / "here")
        assert found == [tmp_path / "made" / "here" / f"{name}.png" for name in names]
        assert sorted(found) == sorted((tmp_path / "made" / "here").iterdir())  # and nothing half-written
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)

    def test_what_has_no_data_is_not_drawn(self, tmp_path):
        record = conv_record(("lenet5",))
        record["rows"] = [row for row in record["rows"] if row["convolution"] == 9]
        assert draw(record, tmp_path) == []
        models = models_record()
        for row in models["rows"]:
            row.pop("kinds", None)
        assert draw(models, tmp_path) == []
        grid = conv_record(("crossover",))
        grid["rows"] = [row for row in grid["rows"] if row["algorithm"] != "direct"]
        assert draw(grid, tmp_path) == []

    def test_a_record_of_models(self, tmp_path):
        record = models_record(against=())
        record["rows"] = record["rows"][:2]
        assert draw(record, tmp_path) == [tmp_path / "kinds.png"]
        first = (tmp_path / "kinds.png").read_bytes()
        draw(record, tmp_path)
        assert (tmp_path / "kinds.png").read_bytes() == first

    def test_without_matplotlib_one_line_says_so(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        monkeypatch.setitem(sys.modules, "matplotlib.style", None)
        with pytest.raises(ModuleNotFoundError, match=r"plots need matplotlib: pip install 'tinycnn\[plot\]'$"):
            draw(models_record(), tmp_path)
        assert list(tmp_path.iterdir()) == []
