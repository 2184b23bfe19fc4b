"""The lab's arithmetic, on workers that answer as they are told: how fast anything is, is not asked here."""

from contextlib import contextmanager
from statistics import median

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.backend import cpu_backends, load_kernels
from tinycnn.benchmarks import timing
from tinycnn.benchmarks.conv import contest, measure, peers, worker
from tinycnn.benchmarks.conv.contest import PASSES, Contest, Duel, Job
from tinycnn.benchmarks.conv.convolutions import Convolution
from tinycnn.geometry import conv_geometry

SMALL = conv_geometry("conv2d", (2, 4, 6, 5), (6, 2, 3, 3), padding=1, groups=2)
CONVOLUTION = Convolution("given", "", SMALL)
BOTH = ("direct", "im2col")
JOB = Job(0, CONVOLUTION, "forward")


class Told:
    """A worker that gives these answers, in turn, and remembers the questions."""

    def __init__(self, **answers):
        self.answers, self.asked = {name: iter(values) for name, values in answers.items()}, []

    def ask(self, *question):
        self.asked.append(question)
        return next(self.answers[question[0]])


def look(seconds, **more):
    return {"auto": False, "estimated_seconds": seconds, "workspace_bytes": 8, "error": 1e-6} | more


def test_what_is_far_slower_is_timed_once_and_what_cannot_run_never():
    looks = {"direct": look(1.0), "im2col": look(4.9), "fft": look(5.1)}
    looks |= {"winograd": {"auto": False, "cannot": "why"}, "other": look(0.1, skipped="why")}
    found = Contest(JOB, "numpy", looks, 3)
    assert found.samples(first=True) == {"direct": 3, "im2col": 3, "fft": 1}
    found.runs = {"direct": [[1.0]], "im2col": [[5.1]], "fft": [[2.0]]}  # after the first run it is known better
    assert found.samples(first=False) == {"direct": 3, "fft": 3}


def test_the_expected_work_counts_calls_to_warm_up_and_samples_of_many_calls():
    found = Contest(JOB, "numpy", {"direct": look(2.0), "fft": look(20.0)}, 3)
    assert found.work(first=True) == 2.0 * (2 + 3) + 20.0 * (2 + 1)
    assert Contest(JOB, "numpy", {"direct": look(timing.SAMPLE / 4)}, 3).work(True) == timing.SAMPLE / 4 * (2 + 3 * 4)


def test_rows_hold_medians_rates_and_shares():
    looks = {"direct": look(1.0), "winograd": look(0.5, auto=True), "fft": {"auto": False, "cannot": "why"}}
    found = Contest(JOB, "numba", looks, 2)
    asked = Told(
        samples=[{"direct": [2.0, 4.0], "winograd": [1.0, 1.0]}, {"direct": [3.0, 3.0], "winograd": [1.0, 2.0]}]
    )
    found.measure(asked, first=True)
    found.measure(asked, first=False)
    assert asked.asked[0] == ("samples", "forward", SMALL, {"direct": 2, "winograd": 2})
    direct, winograd, fft = found.rows(peak=SMALL.flops / 6)
    assert direct["run_seconds"] == [3.0, 3.0]
    assert (direct["median_seconds"], direct["quartiles_seconds"]) == (3.0, [2.75, 3.25])
    assert direct["gflops"] == pytest.approx(SMALL.flops / 3e9)
    assert direct["share_of_peak"] == pytest.approx(2.0)
    assert (direct["effective"], winograd["effective"]) == (False, True)
    assert (direct["auto"], winograd["auto"]) == (False, True)
    assert "estimated_seconds" not in direct
    assert fft["cannot"] == "why"
    assert "median_seconds" not in fft
    assert found.by_speed == ["winograd", "direct"]
    assert found.verdict.winner == "winograd"
    assert direct["convolution"] == 0
    assert direct["pass"] == "forward"


def test_what_was_timed_once_cannot_win_and_is_no_tie():
    found = Contest(JOB, "numba", {"direct": look(1.0), "fft": look(9.0)}, 1)
    for first, samples in (
        (True, {"direct": [1.0], "fft": [9.0]}),
        (False, {"direct": [1.1]}),
        (False, {"direct": [1.0]}),
    ):
        found.measure(Told(samples=[samples]), first)
    assert found.verdict == ("direct", (), 9.0)


def test_ratios_to_a_peer_are_of_the_same_turn_and_of_its_fastest_way(monkeypatch):
    monkeypatch.setattr(contest, "PAUSE", 0)
    ours = Told(prepare=[{"winograd": 1.0}], turn=[{"winograd": s} for s in (1.0, 2.0, 4.0)])
    ways = [
        {"nchw": 3.0, "channels_last": 9.0},
        {"nchw": 4.0, "channels_last": 1.0},
        {"nchw": 6.0, "channels_last": 9.0},
    ]
    theirs = Told(prepare=[{"nchw": 1.0, "channels_last": 1.9, "mkldnn off": 2.1}], turn=ways, error=[1e-7])
    found = Duel(JOB, "torch", "numba", 1.0)
    found.measure(ours, theirs, 3)
    assert theirs.asked[1] == ("turn", ["nchw", "channels_last"]), "what is hopeless is not measured further"
    assert theirs.asked[-1] == ("error", "forward", SMALL, "nchw")
    row = found.row
    assert (row["variant"], row["algorithm"], row["peer_error"]) == ("nchw", "winograd", 1e-7)
    assert row["variants"] == {"mkldnn off": 2.1, "channels_last": 9.0, "nchw": 4.0}
    assert (row["times_as_fast"], row["quartiles"]) == (2.0, [1.75, 2.5])
    assert (row["seconds"], row["peer_seconds"]) == (2.0, 4.0)


def test_what_a_peer_cannot_do_is_said():
    found = Duel(JOB, "onnxruntime", "numba", 1.0)
    found.measure(Told(), Told(prepare=[{"cannot": "it has no backward pass"}]), 3)
    assert found.row["cannot"] == "it has no backward pass"
    assert "times_as_fast" not in found.row


def plan(**changes):
    usual = {
        "of": ("given",),
        "batch": None,
        "passes": PASSES,
        "backends": ("numpy",),
        "algorithms": ("direct", "im2col"),
    }
    usual |= {"threads": 1, "runs": 2, "repeat": 1, "limit": 1.0, "against": (), "quick": False}
    return measure.Plan(**(usual | changes))


@contextmanager
def silent(task, total):
    yield lambda done: None


def test_every_run_is_in_a_fresh_process_and_kept_when_it_is_over(monkeypatch):
    started, kept = [], []

    @contextmanager
    def started_worker(name, make, *arguments, threads):
        started.append((name, arguments, threads))

        class Answers:
            def ask(self, method, phase, geometry, *more):
                if method == "look":
                    return {"direct": look(1.0, auto=True), "im2col": look(2.0)}
                return {"direct": [1.0], "im2col": [2.0]}

        yield Answers()

    monkeypatch.setattr(measure, "worker", started_worker)
    monkeypatch.setattr(measure, "peaks", lambda threads: {"flops": 1e9, "bytes": 1e9, "threads": threads})
    said = []
    record = measure.measure(plan(runs=3), [CONVOLUTION], said.append, silent, lambda r: kept.append(len(r["peaks"])))
    assert started == [("the numpy backend", ("numpy", 1), 1)] * 4, "one to look, three to measure"
    assert kept == [1, 2, 3]
    assert said[0].startswith("looking at 3 rows: ")
    assert said[1:] == ["3 runs of 3 rows, 1 thread: about 1 min 33 s"]
    assert [found["winner"] for found in record["winners"]] == ["direct"] * 3
    assert all(len(row["run_seconds"]) == 3 for row in record["rows"])
    assert [(row["pass"], row["algorithm"]) for row in record["rows"]] == [
        (p, a) for p in PASSES for a in ("direct", "im2col")
    ]


# The workers themselves, here in this process


@pytest.fixture
def ours():
    def make(name):
        return worker.OurConvolutions(name, 1)

    import tinycnn as tc

    before = tc.backend.current_backend()
    yield make
    tc.use_backend(before)


@pytest.mark.parametrize("name", cpu_backends())
@pytest.mark.parametrize("phase", PASSES)
def test_a_look_tells_all_that_is_known_before(ours, name, phase):
    strided = conv_geometry("conv2d", (2, 4, 9, 8), (6, 2, 3, 3), stride=2, padding=1, groups=2)
    found = ours(name).look(phase, strided, ("direct", "im2col", "winograd", "fft"), 60.0)
    assert found["winograd"].keys() == {"auto", "cannot"}
    assert "winograd cannot run 3x3 over 9x8" in found["winograd"]["cannot"]
    if name != "numpy":
        assert found.pop("fft")["cannot"] == f"the {name} backend has no fft of its own, and runs that of numpy"
    for algorithm in found.keys() - {"winograd"}:
        row = found[algorithm]
        assert 0 <= row["error"] < 1e-5
        assert row["estimated_seconds"] > 0
    assert sum(row["auto"] for row in found.values()) == 1
    if name == "numpy":
        assert found["im2col"]["workspace_bytes"] > strided.column_bytes() / 2
    skipped = ours(name).look(phase, strided, ("im2col",), 0.0)["im2col"]
    assert skipped.keys() == {"auto", "estimated_seconds", "skipped"}


@pytest.mark.parametrize("phase", PASSES)
def test_a_wrong_result_shows_in_the_error(phase):
    right = timing.bind(load_kernels("numpy"), "direct", phase, SMALL, timing.Operands.of(SMALL))()
    assert worker.error(right, phase, SMALL) < 1e-6
    wrong = right.copy()
    wrong.flat[7] += np.sqrt(np.mean(right.astype(float) ** 2)) / 4
    assert worker.error(wrong, phase, SMALL) == pytest.approx(0.25, rel=1e-3)


def test_the_workspace_is_what_is_held_beside_the_result():
    def run():
        scratch = np.ones(1 << 20, np.uint8)
        return np.ones(1 << 18, np.uint8) + scratch[0]

    result, held = worker.workspace(run)
    assert result.nbytes == 1 << 18
    assert held == pytest.approx(1 << 20, rel=0.3)
    assert worker.workspace(lambda: np.ones(1 << 20, np.uint8))[1] < 1 << 14


def test_turns_are_of_those_asked_for_with_their_setting(monkeypatch):
    did = []
    monkeypatch.setattr(worker, "wake", lambda run: did.append("wake"))

    class Settings(worker.Turns):
        @contextmanager
        def setting(self, name):
            did.append(f"<{name}")
            yield
            did.append(">")

    turns = Settings()
    assert turns.begin({"a": lambda: did.append("a"), "b": lambda: did.append("b")}).keys() == {"a", "b"}
    assert did[0] == "<a"
    assert did.count("a") >= 2
    turns._calls = {"a": 2, "b": 1}
    did.clear()
    assert turns.turn(["a", "b"]).keys() == {"a", "b"}
    assert did == ["<a", "wake", "a", "a", ">", "<b", "b", "b", ">"], "each is as warm as the other"


@pytest.mark.parametrize("phase", PASSES)
def test_pytorch_computes_the_same_in_each_of_its_ways(phase):
    torch = oracle("torch")
    try:
        theirs = peers.TorchConvolutions(torch.get_num_threads())
        assert theirs.prepare(phase, SMALL).keys() == {"nchw", "channels_last", "mkldnn off"}
        for way in theirs.runs:
            assert theirs.error(phase, SMALL, way) < 1e-5
            with theirs.setting(way):
                assert torch.backends.mkldnn.enabled == (way != "mkldnn off")
        uneven = conv_geometry("conv2d", (1, 1, 5, 5), (1, 1, 2, 2), padding="same")
        assert theirs.prepare(phase, uneven) == {"cannot": "PyTorch pads both ends alike"}
    finally:
        torch.set_grad_enabled(True)


def test_onnx_runtime_computes_the_same_and_only_forward():
    oracle("onnxruntime")
    theirs = peers.OnnxConvolutions(1)
    for geometry in (SMALL, conv_geometry("conv2d", (1, 3, 9, 8), (2, 3, 3, 2), stride=2, padding=(1, 0, 2, 1))):
        assert theirs.prepare("forward", geometry).keys() == {""}
        assert theirs.error("forward", geometry, "") < 1e-5
    assert theirs.prepare("backward_input", SMALL) == {"cannot": "ONNX Runtime has no backward pass"}


def test_the_median_of_an_even_number_of_samples_is_between_them():
    found = Contest(JOB, "numba", {"direct": look(1.0)}, 2)
    found.measure(Told(samples=[{"direct": [2.0, 4.0]}]), first=True)
    (row,) = found.rows(peak=1.0)
    assert row["run_seconds"] == [median([2.0, 4.0])] == [3.0]
