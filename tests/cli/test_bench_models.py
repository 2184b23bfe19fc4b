"""``tinycnn bench models``: what it makes of times, whom it leaves out, and that all sides compute the same."""

import csv
import json
import os
import sys
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import oracle
from tinycnn.benchmarks.models import measure as lab
from tinycnn.benchmarks.models import worker as sides
from tinycnn.benchmarks.models.costs import Cost, Costs, require_memory
from tinycnn.benchmarks.models.layers import KINDS, chain
from tinycnn.benchmarks.models.measure import Entry, Plan, compared, leave_out_slow, require_agreement
from tinycnn.benchmarks.models.peers import PEERS, Peer
from tinycnn.benchmarks.models.split import Split
from tinycnn.benchmarks.models.worker import OurModel
from tinycnn.hooks import Call
from tinycnn.models import ARCHITECTURES, architecture
from tinycnn.models.registry import Architecture
from tinycnn.threads import num_threads

cli = import_module("tinycnn.cli.bench.models")  # the package has a function of that name
CASE = lab.Case("lenet5", "train", 2, 1)
WORDS = ("bench", "models", "lenet5", "--batch", 2, "--threads", 1, "--backend", "numpy", "--repeat", 2)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """The numpy backend, peaks that are made up, no time to lose; what sides set in this process is set back."""
    figures = {"flops": 1e9, "flops_by": "-", "bytes": 1e9}
    monkeypatch.setattr(lab, "peaks", lambda threads: figures | {"threads": threads})
    monkeypatch.setattr(lab, "PAUSE", 0.0)
    for name, value in {"WARM_UP": 0.0, "TURN": 1e-9, "SPLITS": 1}.items():
        monkeypatch.setattr(sides, name, value)
    threads = num_threads()
    with tc.use_backend("numpy"):
        yield
    tc.set_num_threads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].backends.mkldnn.set_flags(True)


@pytest.fixture
def here(monkeypatch):
    """Workers in this process; gives the names of those that were started, and of those that ended."""
    started, ended = [], []

    class Here:
        def __init__(self, make):
            self.make, self.made = make, None

        def ask(self, method, *arguments):
            self.made = self.made or self.make()
            return getattr(self.made, method)(*arguments)

    @contextmanager
    def worker(name, make, *arguments, threads):
        started.append(name)
        try:
            yield Here(partial(make, *arguments))
        finally:
            ended.append(name)

    monkeypatch.setattr(lab, "worker", worker)
    return started, ended


class Clock:
    """A side that takes as long as it is told to, in units of the model's batch."""

    warm, turns, spoken = 1.0, (1.0,), 1.0

    def __init__(self, *_):
        self.left = list(self.turns)

    def begin(self):
        return {"logits": np.full((2, 10), self.spoken), "seconds": self.warm, "start_bytes": 5}

    def turn(self):
        return self.left.pop(0)

    def peak(self):
        return 7

    def split(self):
        return {"kinds": dict.fromkeys(KINDS, 0.5), "unfused_seconds": 3.5, "layers": []}


def clock(warm=1.0, turns=(1.0, 1.0), spoken=1.0):
    return type("Told", (Clock,), {"warm": warm, "turns": turns, "spoken": spoken})


@pytest.fixture
def made_up(monkeypatch, here):
    """numpy takes 1 s and 2 s; torch 8 s and 8 s, 6 s and 6 s in its second way, and is hopeless in its third."""
    ways = {"nchw": clock(8.0, (8.0, 8.0)), "channels_last": clock(6.0, (6.0, 6.0)), "mkldnn off": clock(12.5)}
    monkeypatch.setattr(lab, "OurModel", clock(1.0, (1.0, 2.0)))
    torch = Peer(lambda variant, *case: ways[variant](), tuple(ways))
    monkeypatch.setattr(lab, "PEERS", {**PEERS, "torch": torch})
    monkeypatch.setattr(cli, "require_peers", lambda *_: None)
    return here


def test_ratios_are_of_the_same_turn_and_of_the_fastest_way(command, made_up):
    outcome = command(*WORDS, "--work", "train", "--against", "torch", "--json")
    assert outcome.status == 0, outcome.error
    (duel,) = outcome.json["against"]
    assert duel == {
        **CASE._asdict(),
        "side": "numpy",
        "peer": "torch",
        "variant": "channels_last",
        "times_as_fast": 4.5,  # the median of 6 and 3; the ratio of the medians is 4
        "quartiles": [3.75, 5.25],
    }
    ours = outcome.json["rows"][0]
    assert (ours["median_seconds"], ours["images_per_second"]) == (1.5, 1.3333)
    assert (ours["peak_bytes"], ours["start_bytes"]) == (7, 5)
    flops = 2 * 2 * (3 * 416_520 - 117_600)  # two images; the multiply-adds of c1, whose input needs no gradient
    assert ours["gflops"] == pytest.approx(flops / 1.5 / 1e9, rel=1e-4)
    assert ours["share_of_peak"] == pytest.approx(flops / 1.5 / 1e9, rel=1e-4)
    assert ours["expected_bytes"] > 3 * 246_824
    assert outcome.json["settings"]["batches"] == [2]
    assert "numpy 4.50 (3.75 to 5.25)" in outcome.out
    assert " 0.3 % " in outcome.out


def test_a_hopeless_way_is_not_measured_and_its_process_ends_before_the_others(command, made_up):
    outcome = command(*WORDS, "--work", "train", "--against", "torch", "--json")
    rows = {row["variant"]: row for row in outcome.json["rows"]}
    assert rows["mkldnn off"]["skipped"] == "a step took 12,500 ms, over 2 times as long as with channels_last"
    assert "median_seconds" not in rows["mkldnn off"]
    assert "skipped" not in rows["nchw"]
    started, ended = made_up
    assert sorted(started) == sorted(ended)
    assert ended[:2] == ["the estimate", "torch mkldnn off"]
    assert "torch, mkldnn off, train, 2 images: a step took 12,500 ms" in outcome.out


def test_ours_is_never_left_out():
    entries = [Entry(name, "", None, None, {"seconds": s}) for name, s in [("numpy", 9.0), ("torch", 1.0)]]
    leave_out_slow(entries)
    assert not any(entry.told for entry in entries)


def test_a_peer_that_was_not_timed_is_not_compared():
    ours = Entry("numpy", "", None, None, {}, [1.0])
    plan = Plan(("lenet5",), None, (1,), ("numpy",), ("train",), ("torch",), 1, False)
    assert compared(plan, CASE, [ours, Entry("torch", "", None, None, {}, told={"cannot": "-"})]) == []


def test_what_computes_something_else_is_an_error_and_no_figure(refused, made_up, monkeypatch):
    monkeypatch.setattr(lab, "OurModel", clock(spoken=1.002))
    line = refused(*WORDS, "--against", "torch")
    assert "the logits of torch, nchw and of numpy differ by 0.002 of the largest, expected at most 0.001" in line
    assert sorted(made_up[0]) == sorted(made_up[1])


def test_no_number_agrees_with_nothing():
    entries = [Entry(n, "", None, None, {"logits": np.array([v])}) for n, v in (("numpy", 1.0), ("torch", np.nan))]
    with pytest.raises(ValueError, match="differ by nan"):
        require_agreement(CASE, entries)


def test_a_planted_wrong_weight_is_found(refused, here, monkeypatch):
    class Wrong(OurModel):
        def build(self, model, *rest):
            model.output.weight.data[3, 4] += 1.0
            super().build(model, *rest)

    monkeypatch.setattr(lab, "PEERS", {"dezero": Peer(lambda variant, *case: Wrong("numpy", *case))})
    monkeypatch.setattr(cli, "require_peers", lambda *_: None)
    assert "they compute different things" in refused(*WORDS, "--against", "dezero")


def test_the_kinds_of_work_sum_to_the_step(command, here, tmp_path):
    outcome = command(*WORDS, "--out", tmp_path / "out", "--json")
    assert outcome.status == 0, outcome.error
    train, inference = outcome.json["rows"]
    for row in (train, inference):
        assert sum(row["kinds"].values()) == pytest.approx(row["unfused_seconds"], rel=1e-4)
        assert list(row["kinds"]) == list(KINDS)
        assert all(seconds >= 0 for seconds in row["kinds"].values())
        assert [layer["name"] for layer in row["layers"]][:3] == ["c1", "tanh1", "s2"]
        for kind in ("convolution", "activation", "pooling", "full layers"):
            layers = [layer for layer in row["layers"] if layer["kind"] == kind]
            taken = sum(found["forward"] + found["backward"] for found in layers)
            assert row["kinds"][kind] == pytest.approx(taken, rel=1e-4)
            assert all(found["forward"] > 0 for found in layers)
            assert all((found["backward"] > 0) == (row is train) for found in layers)
    assert train["kinds"]["optimiser"] > 0
    assert inference["kinds"]["optimiser"] == 0
    assert json.loads((tmp_path / "out" / "models.json").read_text()) == outcome.json
    lines = list(csv.DictReader((tmp_path / "out" / "models.csv").read_text().splitlines()))
    assert [(line["work"], line["side"]) for line in lines] == [("train", "numpy"), ("inference", "numpy")]
    assert float(lines[0]["convolution seconds"]) == train["kinds"]["convolution"]
    assert float(lines[0]["upper_quartile_seconds"]) == train["quartiles_seconds"][1]
    assert not any(character in cell for line in lines for cell in line.values() for character in "[{")


def test_the_backward_pass_counts_for_the_layer_that_ran_forward():
    layers = chain(architecture("lenet5").build(), (1, 32, 32))
    split = Split(layers)
    first, loss = object(), object()
    split._starts("c1")(None, ())
    split._ran(Call(first, "forward", (), (), 1.0))
    split._ends(None, (), None)
    split._ran(Call(loss, "forward", (), (), 2.0))
    split._ran(Call(loss, "backward", (), (), 4.0))
    split._ran(Call(first, "backward", (), (), 8.0))
    told = split.told(whole=20.0, optimiser=3.0)
    assert told["layers"][0] == {"name": "c1", "kind": "convolution", "forward": 1.0, "backward": 8.0}
    assert (told["kinds"]["convolution"], told["kinds"]["optimiser"], told["kinds"]["everything else"]) == (9, 3, 8)


def test_interrupted_it_keeps_what_was_measured_and_workers_end(command, made_up, monkeypatch, tmp_path):
    def turn(self):
        if not self.left:
            raise KeyboardInterrupt
        return self.left.pop(0)

    told = clock(turns=(1.0, 2.0))
    told.turn = turn
    one = told()
    monkeypatch.setattr(lab, "OurModel", lambda *_: one)  # has turns for the first case alone
    outcome = command(*WORDS, "--out", tmp_path)
    assert (outcome.status, outcome.error) == (130, "tinycnn: interrupted\n")
    (row,) = json.loads((tmp_path / "models.json").read_text())["rows"]
    assert row["work"] == "train"
    assert sorted(made_up[0]) == sorted(made_up[1])


def test_the_peak_is_of_memory_that_was_used_since_it_was_forgotten():
    held = np.ones(1 << 23)  # 64 MiB
    peak = sides.peak_bytes()
    assert peak > held.nbytes
    del held
    sides.forget_peak()
    if os.access("/proc/self/clear_refs", os.W_OK):
        assert sides.peak_bytes() < peak - (1 << 25)


COST = Cost(multiply_adds=10, first=2, weights=100, trained=90, kept=30, largest=20, image=5)


def test_what_a_step_costs():
    assert (COST.flops("train", 2), COST.flops("inference", 2)) == (2 * 2 * 28, 2 * 2 * 10)
    assert COST.bytes("train", 4) - COST.bytes("train", 2) == pytest.approx(1.3 * 2 * 55, abs=1)
    assert COST.bytes("train", 1) - COST.bytes("inference", 1) == pytest.approx(1.3 * (2 * 90 + 30), abs=1)
    found = Costs().of("lenet5")
    assert (found.multiply_adds, found.first, found.weights) == (416_520, 117_600, 246_824)
    assert (found.image, found.largest) == (4 * 32 * 32, 2 * 4 * 6 * 28 * 28)


@pytest.mark.parametrize(
    ("free", "sides", "fix"),
    [
        (COST.bytes("train", 4), 1, "--batch 4 would fit"),
        (2 * COST.bytes("train", 9), 2, "--batch 8 would fit"),
        (150e6, 1, "not even one image fits"),
        (150e6, 2, "not even one image fits; fewer of --against and --backend need less"),
    ],
)
def test_the_largest_batch_that_fits_is_named(free, sides, fix):
    with pytest.raises(ValueError, match=r"^vgg16 with 10 images needs about .* to train") as refusal:
        require_memory("vgg16", "train", 10, sides, COST, int(free))
    assert str(refusal.value).endswith(f" are free here: {fix}")
    require_memory("vgg16", "train", 10, sides, COST, sides * COST.bytes("train", 10))


def test_what_would_not_fit_is_refused_before_anything_is_run(refused, made_up, monkeypatch):
    monkeypatch.setattr(lab, "available", lambda: 400_000_000)
    line = refused(*WORDS, "--batch", 100_000)
    assert line.startswith("tinycnn: lenet5 with 100000 images needs about ")
    assert "400.0 MB are free here: --batch " in line
    line = refused(*WORDS, "--against", "torch")
    assert "in 4 processes at once" in line
    assert set(made_up[0]) == {"the estimate"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["vgg161"], "unknown model 'vgg161': did you mean vgg16?"),
        (["lenet5", "--batch", "0"], "--batch-size must be at least 1, got 0"),
        (["lenet5", "--repeat", "0"], "--repeat must be at least 1, got 0"),
        (["lenet5", "--threads", "0"], "--threads must be from 1 to 1024, got 0"),
        (["lenet5", "--work", "trian"], "unknown work 'trian': did you mean train?"),
        (["lenet5", "--against", "tensorflow"], "unknown peer 'tensorflow'"),
        (["lenet5", "--backend", "cupy"], "python -m tinycnn.benchmarks.gpu measures a GPU"),
        (["lenet5", "--backend", "nump"], "nump"),
        (["lenet5", "--out", __file__], "--out must be a folder"),
    ],
)
def test_bad_input_is_one_line(refused, here, words, told):
    assert told in refused("bench", "models", *words)
    assert not here[0]


def test_a_peer_that_is_not_installed(refused, here, monkeypatch):
    monkeypatch.setattr("tinycnn.benchmarks.peers.find_spec", lambda name: None)
    assert "--against torch needs" in refused(*WORDS, "--against", "torch")
    assert not here[0]


def test_batches_of_each_model_where_none_are_given():
    plan = Plan(("lenet5",), None, (1,), ("numpy",), ("train",), (), 1, False)
    assert [plan.batches_of(name) for name in ("lenet5-1998", "alexnet-single", "vgg11-bn")] == [
        (1, 16, 64, 256),
        (1, 4, 16),
        (1, 4),
    ]
    assert all(plan.batches_of(name) for name in ARCHITECTURES)
    assert Plan(("lenet5",), (8, 4), (1,), ("numpy",), ("train",), (), 1, True).batches_of("vgg16") == (4,)


def test_a_model_that_is_no_chain():
    class Twice(tc.nn.Module):
        def __init__(self):
            self.one, self.two = tc.nn.ReLU(), tc.nn.ReLU()

        def forward(self, x):
            return self.one(x) + self.two(x)

    with pytest.raises(ValueError, match="two of this Twice is not given what the layer before it made"):
        chain(Twice(), (1, 2, 2))


def everything():
    """A model with each kind of layer that a peer may have."""
    layers = tc.nn.Conv2d(2, 6, 3, stride=2, padding=(1, 0)), tc.nn.BatchNorm2d(6), tc.nn.ReLU()
    norms = tc.nn.LocalResponseNorm(5, 0.5, 0.75, 2.0, average=False), tc.nn.LocalResponseNorm(3, 0.5)
    pools = tc.nn.MaxPool2d(3, 2, padding=1, ceil_mode=True), tc.nn.Conv2d(6, 4, (3, 1), groups=2, bias=False)
    rest = tc.nn.AvgPool2d(2, 1, padding=1, count_include_pad=False), tc.nn.AdaptiveAvgPool2d((2, 4)), tc.nn.Identity()
    return tc.nn.Sequential(
        *layers, *norms, *pools, *rest, tc.nn.Flatten(), tc.nn.Linear(32, 8), tc.nn.Tanh(), tc.nn.Dropout(0.9)
    )


def ways(*names):
    """Peers in all their ways; those of one take place in one process, as some take seconds to load."""
    return [
        pytest.param(name, way, id=f"{name} {way}".strip(), marks=pytest.mark.xdist_group(name))
        for name in names
        for way in PEERS[name].variants
    ]


def side(peer, way, monkeypatch, *case):
    """A peer's side in this process."""
    if peer == "dezero":
        monkeypatch.setattr(np, "int", int, raising=False)  # which DeZero needs, and is unset again
    oracle(peer)
    return PEERS[peer].make(way, *case)


@pytest.mark.parametrize(("peer", "way"), ways("torch", "onnxruntime"))
def test_each_layer_of_a_peer_computes_what_ours_does(peer, way, monkeypatch):
    work = PEERS[peer].works[0]
    monkeypatch.setattr(sides, "architecture", lambda name: Architecture(everything, (2, 9, 12)))
    theirs = side(peer, way, monkeypatch, "-", work, 3, 1).begin()["logits"]
    assert peer != "torch" or oracle("torch").backends.mkldnn.enabled == (way != "mkldnn off")
    ours = OurModel("numpy", "-", work, 3, 1).begin()["logits"]
    np.testing.assert_allclose(theirs, ours, atol=1e-5 * np.abs(ours).max())


@pytest.mark.parametrize(("peer", "way"), ways("torch", "dezero"))
def test_a_step_of_a_peer_changes_the_weights_as_ours_does(peer, way, monkeypatch):
    sides = OurModel("numpy", "lenet5", "train", 2, 1), side(peer, way, monkeypatch, "lenet5", "train", 2, 1)
    before, same = (found.begin()["logits"] for found in sides)
    for found in sides:
        found.step()
    after, changed = (found.logits() for found in sides)
    np.testing.assert_allclose(same, before, atol=1e-5 * np.abs(before).max())
    np.testing.assert_allclose(changed, after, atol=1e-4 * np.abs(after).max())
    assert np.abs(after - before).max() > 0.05 * np.abs(before).max()


@pytest.mark.parametrize(
    ("peer", "layers", "lacks"),
    [
        ("dezero", [tc.nn.Conv2d(2, 4, 3, groups=2)], "dezero has no convolution with groups or dilation"),
        ("dezero", [tc.nn.MaxPool2d(2, padding=1)], "dezero has no pooling with padding or ceil_mode"),
        ("dezero", [tc.nn.LocalResponseNorm(3)], "dezero has no LocalResponseNorm"),
        ("onnxruntime", [tc.nn.LocalResponseNorm(4)], "onnxruntime has LocalResponseNorm over odd numbers of channels"),
        ("torch", [tc.nn.Conv2d(2, 4, 2, padding="same")], "peers pad both ends alike, 0 does not"),
        ("torch", [tc.nn.Sigmoid()], "torch has no Sigmoid"),
    ],
)
def test_what_a_peer_lacks_is_told(peer, layers, lacks, monkeypatch):
    found = side(peer, "", monkeypatch, "-", "inference", 1, 1)
    made = Architecture(lambda: tc.nn.Sequential(*layers), (2, 6, 6))
    monkeypatch.setattr(sides, "architecture", lambda name: made)
    assert found.begin()["cannot"].startswith(lacks)


def test_a_peer_that_cannot_is_told_once(command, here, monkeypatch):
    class Unable(Clock):
        def begin(self):
            return {"cannot": "torch has no ScaledTanh"}

    monkeypatch.setattr(lab, "PEERS", {**PEERS, "torch": Peer(Unable, ("nchw", "channels_last"))})
    monkeypatch.setattr(cli, "require_peers", lambda *_: None)
    outcome = command(*WORDS, "--work", "train", "--against", "torch", "--against", "onnxruntime", "--json")
    ours, *rest = outcome.json["rows"]
    assert ours["side"] == "numpy"
    assert [(row["side"], row["variant"], row["cannot"]) for row in rest] == [
        ("torch", "", "torch has no ScaledTanh"),
        ("onnxruntime", "", "onnxruntime does not train"),
    ]
    assert outcome.json["against"] == []
    assert here[0] == ["the estimate", "numpy", "torch nchw"]


def test_a_side_that_compiled_starts_again_so_that_its_memory_is_the_models(command, here, monkeypatch):
    said = iter([True, False])

    class Compiling(Clock):
        def begin(self):
            return super().begin() | {"compiled": next(said)}

    monkeypatch.setattr(lab, "OurModel", Compiling)
    outcome = command(*WORDS[:-1], 1, "--work", "inference")
    assert outcome.status == 0, outcome.error
    assert next(said, None) is None
    assert here == (["the estimate", "numpy", "numpy"], ["the estimate", "numpy", "numpy"])


def test_in_processes_of_their_own(command, monkeypatch):
    for name in ("torch", "onnxruntime"):
        oracle(name)
    monkeypatch.setattr(lab, "PEERS", {**PEERS, "torch": PEERS["torch"]._replace(variants=("channels_last",))})
    peers = ["torch", "onnxruntime", *(["dezero"] if find_spec("dezero") else [])]
    outcome = command(*WORDS, *(word for peer in peers for word in ("--against", peer)), "--json")
    assert outcome.status == 0, outcome.error
    assert [(row["work"], row["side"]) for row in outcome.json["rows"] if "median_seconds" in row] == [
        (work, side)
        for work in ("train", "inference")
        for side in ("numpy", *peers)
        if (work, side) != ("train", "onnxruntime")
    ]
    for row in outcome.json["rows"]:
        if "median_seconds" in row:
            assert row["start_bytes"] > 10e6
            assert 10e6 < row["peak_bytes"] < 2e9
    assert len(outcome.json["against"]) == 2 * len(peers) - 1
    assert all(duel["times_as_fast"] > 0 for duel in outcome.json["against"])
