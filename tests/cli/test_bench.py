"""``tinycnn bench tune``: what it stores is what auto then uses, and whatever stops it leaves the old file whole."""

import importlib
import re
from itertools import pairwise

import numpy as np
import pytest

import tinycnn as tc
from tests.rights import open_folder, without_rights
from tests.tuned import own_table
from tinycnn import tuning
from tinycnn.backend import able_algorithms, convolution, cpu_backends, forget_choices, load_kernels
from tinycnn.benchmarks import timing
from tinycnn.cli.bench.tune import Contest
from tinycnn.geometry import conv_geometry
from tinycnn.threads import num_threads, threads_of
from tinycnn.training import Recipe

module = importlib.import_module("tinycnn.cli.bench.tune")  # the package has a function of that name
PASSES = ("forward", "backward_input", "backward_weight")


@pytest.fixture
def table():
    """The test's own table, on the numpy backend."""
    with tc.use_backend("numpy"):
        threads = num_threads()
        with own_table() as path:
            yield path
        tc.set_num_threads(threads)


@pytest.fixture
def clock(monkeypatch):
    """Speeds of the algorithms that are made up: seconds by name; and what was measured."""
    speeds = {"direct": 4.0, "im2col": 3.0, "winograd": 2.0, "fft": 5.0}
    measured = []

    def estimate(kernels, algorithm, phase, geometry):
        return speeds[algorithm]

    def bind(kernels, algorithm, phase, geometry, arrays):
        return algorithm

    def in_turn(runs, repeat):
        measured.append(list(runs))
        return {name: [speeds[name]] * repeat[name] for name in runs}

    for function in (estimate, bind, in_turn):
        monkeypatch.setattr(module, function.__name__, function)
    speeds["measured"] = measured
    return speeds


def chosen(phase, geometry, name="numpy"):
    kernels = load_kernels(name)
    kernel = convolution(kernels, "auto", phase, geometry)
    return next(n for n in kernels.algorithms if getattr(getattr(kernels, f"conv_{n}"), phase) is kernel)


def test_what_is_stored_is_the_fastest_and_auto_uses_it(command, table, clock):
    outcome = command("bench", "tune", "lenet5", "--batch", 3, "--backend", "numpy", "--threads", 1, "--json")
    assert outcome.status == 0
    assert outcome.error == ""
    assert outcome.json["path"] == str(table)
    assert outcome.json["backend"] == "numpy"
    assert [(row["layers"], row["pass"]) for row in outcome.json["choices"]] == [
        ([f"lenet5 {layer}"], phase)
        for layer in ("c1", "c3", "c5")
        for phase in PASSES
        if (layer, phase) != ("c1", "backward_input")  # the first layer's is not computed in a training step
    ]
    for row in outcome.json["choices"]:
        assert (row["fastest"], row["rules"], row["faster_by"], row["threads"]) == ("winograd", "im2col", 1.5, 1)
    c3 = conv_geometry("conv2d", (3, 6, 14, 14), (16, 6, 5, 5))
    assert [chosen(phase, c3) for phase in PASSES] == ["winograd"] * 3
    assert chosen("forward", conv_geometry("conv2d", (4, 6, 14, 14), (16, 6, 5, 5))) == "im2col"
    assert len(tuning.tuned("numpy", 1)) == 8


def test_the_usual_model_batches_and_threads_are_those_of_its_recipes(command, table, clock):
    rows = command("bench", "tune", "--json").json["choices"]
    recipes = [Recipe.of("lenet5", data) for data in ("digits", "mnist")]
    assert {row["input"][0] for row in rows} == {recipe.batch_size for recipe in recipes} == {32, 64}
    assert {row["threads"] for row in rows} == {recipe.threads for recipe in recipes}
    assert {layer for row in rows for layer in row["layers"]} == {"lenet5 c1", "lenet5 c3", "lenet5 c5"}


def test_several_models_and_batches_each_distinct_convolution_once(command, table, clock):
    outcome = command("bench", "tune", "lenet5", "lenet5-1998", "--batch", 2, "--batch", 5, "--json")
    rows = outcome.json["choices"]
    keys = [(tuple(row["input"]), tuple(row["weight"]), row["pass"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {key[0][0] for key in keys} == {2, 5}
    shared = [row["layers"] for row in rows if row["weight"] == [6, 1, 5, 5]]
    assert shared == [["lenet5 c1", "lenet5-1998 c1"]] * 4


def test_the_folder_of_a_run_stands_for_its_model_batch_and_threads(command, table, clock, tmp_path):
    recipe = Recipe.of("lenet5", "digits", epochs=1, batch_size=7, backend="numpy", threads=1)
    tc.training.Run.start(recipe, tmp_path / "run").fit()
    rows = command("bench", "tune", tmp_path / "run", "--json").json["choices"]
    assert {row["input"][0] for row in rows} == {7}


def test_what_cannot_be_the_fastest_is_not_measured_but_the_rules_choice_always_is(command, table, clock):
    clock.update(direct=2.1, im2col=900.0, winograd=1.0, fft=5.5)
    command("bench", "tune", "--batch", 1)
    assert {tuple(runs) for runs in clock["measured"]} == {("direct", "im2col", "winograd")}


def test_within_the_noise_the_rules_choice_stays():
    contest = Contest(["a"], conv_geometry("conv2d", (1, 1, 5, 5), (1, 1, 3, 3)), "forward", 1, rule="im2col")
    contest.samples = {"im2col": [1.05, 1.06, 1.07, 1.05], "winograd": [1.0, 1.1, 0.9, 1.1]}
    assert contest.fastest == "im2col"
    contest.samples["winograd"] = [1.0, 1.01, 1.02, 1.0]
    assert contest.fastest == "winograd"


@pytest.mark.parametrize("name", cpu_backends())
def test_real_measurements_choose_what_runs_and_training_takes_it(command, table, name):
    outcome = command("bench", "tune", "--batch", 2, "--repeat", 1, "--backend", name, "--threads", 1, "--json")
    assert outcome.status == 0
    assert re.search(r"8 passes of 3 convolutions on \w+, 1 thread\n\d+ that may be the fastest, 1 times", outcome.out)
    rows = outcome.json["choices"]
    with tc.use_backend(name):
        kernels = load_kernels(name)
        tuned = tuning.tuned(name, threads_of(name))
        assert len(tuned) == 8
        for (phase, geometry), algorithm in tuned.items():
            assert algorithm in able_algorithms(kernels, geometry)
            assert chosen(phase, geometry, name) == algorithm
        assert all(low <= middle <= high for row in rows for low, middle, high in row["seconds"].values())
        model, labels = tc.models.lenet5(), np.array([3, 1])
        x = np.random.default_rng(0).random((2, 1, 32, 32), np.float32)
        tc.functional.cross_entropy(model(x), labels).backward()
        tuned_gradient = model.c1.weight.grad.copy()
        model.zero_grad()
        with tc.use_algorithm("im2col"):
            tc.functional.cross_entropy(model(x), labels).backward()
        np.testing.assert_allclose(tuned_gradient, model.c1.weight.grad, rtol=1e-3, atol=1e-6)


def test_on_a_gpu_nothing_is_measured(refused, table):
    line = refused("bench", "tune", "--backend", "cupy")
    assert f"on a GPU the rules choose: give --backend {cpu_backends()[-1]}" in line


def test_the_backend_in_use_stays_in_use(command, table, clock):
    command("bench", "tune", "--backend", cpu_backends()[-1], "--batch", 1)
    assert tc.backend.current_backend() == "numpy"


def test_interrupted_it_leaves_what_was_stored_before(command, table, clock, monkeypatch):
    command("bench", "tune", "--batch", 1)
    before = table.read_bytes()

    def interrupted(runs, repeat):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "in_turn", interrupted)
    outcome = command("bench", "tune", "--batch", 2)
    assert outcome.status == 130
    assert outcome.error == "tinycnn: interrupted\n"
    assert table.read_bytes() == before
    assert [entry.name for entry in table.parent.iterdir()] == [table.name]


def test_forgetting(command, table, clock):
    assert "nothing is stored" in command("bench", "tune", "--forget").out
    command("bench", "tune", "--batch", 3)
    layer = conv_geometry("conv2d", (3, 6, 14, 14), (16, 6, 5, 5))
    assert chosen("forward", layer) == "winograd"
    outcome = command("bench", "tune", "--forget", "--json")
    assert outcome.json == {"path": str(table), "deleted": True}
    assert not table.exists()
    assert chosen("forward", layer) == "im2col"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lenett"], "unknown model 'lenett': did you mean lenet5?"),
        (["--backend", "cuda"], "backend 'cuda' is not available here"),
        (["--batch", "0"], "--batch-size must be at least 1, got 0"),
        (["--batch", "4", "--batch-size", "-1"], "--batch-size must be at least 1, got -1"),
        (["--batch", "many"], "expected a whole number such as 12, got 'many'"),
        (["--repeat", "0"], "--repeat must be at least 1, got 0"),
        (["--threads", "0"], "--threads must be from 1 to 1024, got 0"),
        (["--threads", "5000"], "--threads must be from 1 to 1024, got 5000"),
        (["vgg16", "--forget"], "--forget deletes all that was stored and measures nothing: leave out vgg16"),
        (["--forget", "--batch", "3"], "leave out --batch-size"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_nothing_is_measured(refused, table, clock, words, sentence):
    assert sentence in refused("bench", "tune", *words)
    assert not clock["measured"]
    assert not table.exists()


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(refused, table, clock, monkeypatch):
    with open_folder() as folder:
        folder.chmod(0o555)
        monkeypatch.setenv("TINYCNN_TUNED", str(folder / "table.json"))
        with without_rights():
            line = refused("bench", "tune", "--batch", 1)
    assert re.search(
        r"table.json cannot be written \(.* cannot be written to\): name another file in TINYCNN_TUNED", line
    )
    assert not clock["measured"]


def test_a_damaged_file_is_replaced(command, table, clock):
    command("bench", "tune", "--batch", 1)
    table.write_text("{")
    forget_choices()
    outcome = command("bench", "tune", "--batch", 1)
    assert outcome.status == 0
    forget_choices()
    assert len(tuning.tuned("numpy", 1)) == 8


def test_info_tells_what_is_stored_where_and_whether_it_is_in_use(command, table, clock):
    found = command("info", "--json").json
    assert found["tuned"] == {"path": str(table), "in_use": False, "stored": {}}
    assert found["algorithms"] == "rules"
    command("bench", "tune", "--batch", 1, "--threads", 1)
    outcome = command("info", "--json")
    assert outcome.json["tuned"] == {"path": str(table), "in_use": True, "stored": {"numpy on 1 thread": 8}}
    assert outcome.json["algorithms"].startswith("tuned ")
    assert f"8 passes for numpy on 1 thread, in {table}" in outcome.out


def test_each_option_has_help(command):
    text = command("bench", "tune", "--help").out
    for option in ("batch-size", "backend", "threads", "repeat", "forget", "json"):
        assert re.search(rf"--{option}\b.* \w", text), option
    assert "tune" in command("bench", "--help").out


# Which convolutions there are, and how long they take


def test_a_models_convolutions_are_told_with_their_layers_and_passes():
    net = tc.nn.Sequential(
        tc.nn.Conv2d(2, 3, 3, padding=1),
        tc.nn.Sequential(tc.nn.Conv2d(3, 3, 3, padding=1), tc.nn.ReLU(), tc.nn.Conv2d(3, 3, 3, padding=1)),
    )
    frozen = tc.nn.Conv2d(3, 4, 1)
    frozen.weight.requires_grad = False
    net = tc.nn.Sequential(net, frozen, tc.nn.Conv2d(4, 4, 1))
    first, twice, third, last = tc.inspect.convolutions(net, (2, 6, 7), 5)
    assert first.layers == ("0.0",)
    assert first.geometry == conv_geometry("conv2d", (5, 2, 6, 7), (3, 2, 3, 3), padding=1)
    assert first.passes == ("forward", "backward_weight")
    assert twice.layers == ("0.1.0", "0.1.2")
    assert twice.passes == PASSES
    assert third.passes == ("forward", "backward_input")
    assert last.layers == ("2",)
    assert net.training


def test_a_transposed_convolution_runs_backwards():
    class Up(tc.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = tc.nn.Parameter(np.ones((2, 3, 3, 3), np.float32))

        def forward(self, x):
            return tc.functional.conv_transpose2d(x, self.weight, stride=2)

    (found,) = tc.inspect.convolutions(Up(), (2, 4, 4), 3)
    assert found.geometry.output_shape == (3, 2, 4, 4)
    assert found.passes == ("backward_input", "backward_weight")


def test_an_estimate_is_made_from_a_part_when_that_takes_long_enough(monkeypatch):
    geometry = conv_geometry("conv2d", (8, 4, 9, 9), (32, 2, 3, 3), groups=2)
    parts = timing._parts(geometry)
    assert parts[-1] == geometry
    assert (parts[0].N, parts[0].K) == (1, 2)
    assert all(a.multiply_adds < b.multiply_adds for a, b in pairwise(parts))
    kernels, asked = load_kernels("numpy"), []

    def bind(kernels, algorithm, phase, geometry, arrays):
        asked.append(geometry)
        return lambda: None

    monkeypatch.setattr(timing, "bind", bind)
    monkeypatch.setattr(timing, "quickest", lambda run: 1e-9 * asked[-1].multiply_adds)
    monkeypatch.setattr(timing, "PROBE", -1)  # any part will do
    assert timing.estimate(kernels, "im2col", "forward", geometry) == pytest.approx(1e-9 * geometry.multiply_adds)
    assert asked == [parts[0]]
    asked.clear()
    monkeypatch.setattr(timing, "PROBE", 1e9)  # none is large enough but all of it
    timing.estimate(kernels, "im2col", "forward", geometry)
    assert asked == parts


def test_functions_are_measured_in_turn_and_another_one_is_first_each_time(monkeypatch):
    order = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    monkeypatch.setattr(timing, "SAMPLE", 0)
    monkeypatch.setattr(timing, "quickest", lambda run: 1.0)
    taken = timing.in_turn(runs, {"a": 3, "b": 3, "c": 1})
    assert {name: len(samples) for name, samples in taken.items()} == {"a": 3, "b": 3, "c": 1}
    assert order == [*"abc", *"ba", *"ab"]
    assert timing.in_turn({}, {}) == {}


def test_the_quickest_of_some_calls_but_not_the_first(monkeypatch):
    times, made = iter([0.3, 0.2, 0.4, 0.1]), []
    monkeypatch.setattr(timing, "sample", lambda run: next(times))
    assert timing.quickest(lambda: made.append("first"), seconds=0.8) == 0.2
    assert made == ["first"]
    times = iter([0.01] * 20)
    assert timing.quickest(int, seconds=1.0, most=10) == 0.01
    assert len(list(times)) == 10


def test_spread():
    assert timing.spread([3.0, 1.0, 2.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)
    assert timing.spread([7.0]) == (7.0, 7.0, 7.0)
