"""All that only a GPU can tell, in one call: ``python -m tinycnn.benchmarks.gpu``.

1. The tests that run on a GPU, ``pytest -m gpu``, and a few examples of each under compute-sanitizer where it is on the
   PATH: memcheck, racecheck, initcheck.
2. The peaks of this GPU: float32 and TF32 by a product of large matrices, memory by a copy.
3. Each convolution of LeNet-5, AlexNet and VGG-16, by each algorithm, in float32 and in TF32: the time, its share of
   what the nearer of the two peaks allows, and how it compares with PyTorch's cuDNN where PyTorch finds the GPU.
4. LeNet-5's training step, with and without a CUDA graph.

Times are CUDA's own, medians of at least 20 samples after calls to warm up, each with a cold L2 cache; PyTorch runs in
a process of its own and takes turns. FLOPs are counted as direct convolution, so that Winograd's and the FFT's shares
are effective ones, marked ~. The record is brought up to date after each part. Exit status: 0 where all tests passed
and no tool found anything, 1 where not, 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn as tc
from tinycnn.benchmarks.conv.contest import PASSES
from tinycnn.benchmarks.gpu.suite import SANITIZERS, run_tests, sanitize
from tinycnn.benchmarks.gpu.torch_side import torch_beside
from tinycnn.geometry import ConvGeometry
from tinycnn.inspect import convolutions
from tinycnn.models import architecture
from tinycnn.storage import write_text

ROOT = Path(__file__).resolve().parents[2]
BATCHES = {"lenet5": 256, "alexnet": 128, "vgg16": 64}
STEP_BATCH, STEPS = 64, 100  # of LeNet-5's training


def measured(models: Sequence[str], record: dict[str, Any]) -> Iterator[None]:
    """Fill ``record`` with peaks and layers, yielding after each that is new."""
    from tinycnn.benchmarks.gpu.layers import SAMPLES_A_TURN, TURNS, measure
    from tinycnn.benchmarks.gpu.timing import cupy_clock, peaks
    from tinycnn.kernels.cuda.device import has_tensor_cores

    clock = cupy_clock()
    record["peaks"] = peaks(clock, TURNS * SAMPLES_A_TURN)
    print("peaks: " + ", ".join(f"{name} {value / 1e12:.2f} T/s" for name, value in record["peaks"].items()))
    yield
    with torch_beside() as torch:
        record["torch"] = torch.about
        print(f"PyTorch: {torch.about}")
        for model, layers, geometry in layers_of(models):
            shape = {"model": model, "layers": layers, "batch": geometry.N, "geometry": str(geometry)}
            shape |= {"input": geometry.input_shape, "weight": geometry.weight_shape, "groups": geometry.groups}
            print(f"{model} {layers}: {geometry.input_shape} with {geometry.weight_shape}, {geometry}")
            record["layers"].append(shape | {"flops": geometry.flops, "passes": []})
            for tf32 in (False, True) if has_tensor_cores() else (False,):
                for phase in PASSES:
                    rows = measure(clock, torch, phase, geometry, tf32, record["peaks"])
                    record["layers"][-1]["passes"] += rows
                    print("\n".join(map(line, rows)), flush=True)
            yield


def layers_of(models: Sequence[str]) -> Iterator[tuple[str, str, ConvGeometry]]:
    """Each distinct convolution of each model."""
    for model in models:
        found = architecture(model)
        for layers, geometry, _ in convolutions(found.build(), found.input_shape, BATCHES[model]):
            yield model, " ".join(layers), geometry


def line(row: dict[str, Any]) -> str:
    """A row as text; * is what the rules choose."""
    start = f"  {row['pass']:15} {row['mode']:7} {row['algorithm'] + '*' * row['chosen']:14}"
    if "skipped" in row:
        return f"{start} skipped: {row['skipped']}"
    share = f"{'~' if row['effective'] else ' '}{100 * row['share_of_peak']:5.1f} % of the {row['bound']} peak"
    text = f"{start} {1e3 * row['median_seconds']:9.3f} ms {share}"
    return text + (f", {row['times_torch']:.2f} times as fast as cuDNN" if "times_torch" in row else "")


def train_steps() -> dict[str, Any]:
    """Seconds of LeNet-5's training step, batches from main memory included, with and without a CUDA graph."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((STEP_BATCH * STEPS, 1, 32, 32), np.float32)
    labels = rng.integers(0, 10, len(images))
    found: dict[str, Any] = {"model": "lenet5", "batch": STEP_BATCH}
    for name, cuda_graph in (("launched", False), ("cuda_graph", True)):
        tc.manual_seed(0)
        with tc.use_backend("cupy"):
            model = tc.models.lenet5()
        optimizer = tc.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        loader = tc.data.DataLoader(images, labels, batch_size=STEP_BATCH)
        history = tc.training.Trainer(model, optimizer, cuda_graph=cuda_graph).fit(loader, epochs=3)
        found[name] = min(row["seconds"] for row in history[1:]) / STEPS
        print(f"LeNet-5's step, {STEP_BATCH} images, {name}: {1e3 * found[name]:.3f} ms")
    return found


def about() -> dict[str, Any]:
    """The GPU, and versions of all that counts."""
    import cupy

    from tinycnn.kernels.cuda.device import facts
    from tinycnn.training.environment import environment

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    more = {"compute_capability": cupy.cuda.Device().compute_capability, "l2_bytes": properties["l2CacheSize"]}
    more |= {"multiprocessors": properties["multiProcessorCount"], "nvidia_driver": nvidia_driver()}
    return environment() | facts() | more


def nvidia_driver(path: Path = Path("/proc/driver/nvidia/version")) -> str:
    """The driver's own version, beside that of the CUDA that it serves."""
    words = path.read_text(encoding="utf-8").split() if path.is_file() else []
    return next((word for word in words if word.count(".") and word[0].isdigit()), "unknown")


def run(options: argparse.Namespace) -> int:
    """Do all of it; the exit status."""
    models = ["lenet5"] if options.quick else list(BATCHES)
    gpu = about()
    print(f"{gpu['name']}, driver {gpu['nvidia_driver']} for CUDA {gpu['driver']}, CuPy {gpu['cupy']}")
    record: dict[str, Any] = {"date": date.today().isoformat(), "gpu": gpu, "quick": options.quick, "layers": []}
    profile = "few" if options.quick else "default"
    record["tests"] = run_tests(ROOT, gpu["name"], profile)
    save(options.out, record)
    record["sanitizers"] = {tool: sanitize(ROOT, tool) for tool in SANITIZERS}
    for _ in measured(models, record):
        save(options.out, record)
    record["train_step"] = train_steps()
    save(options.out, record)
    print(f"written to {options.out}")
    return 0 if clean(record) else 1


def clean(record: dict[str, Any]) -> bool:
    """Whether tests ran, all of them passed, and no tool found anything."""
    tests, tools = record["tests"], record["sanitizers"].values()
    faults = [tests.get("failed"), *(found.get("findings") or found.get("exit_status") for found in tools)]
    return bool(tests.get("passed")) and not any(faults)


def save(path: Path, record: dict[str, Any]) -> None:
    """Write the record beside, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(record, indent=1) + "\n")


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, do all of it, print tables, and write the record."""
    text = __doc__ or ""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = ROOT / "benchmarks" / "results" / f"gpu-{date.today().isoformat()}.json"
    parser.add_argument("--out", type=Path, default=usual, help=f"file for the record, {usual} if not given")
    parser.add_argument("--quick", action="store_true", help="LeNet-5 alone, and few random cases of each test")
    options = parser.parse_args(words)
    if problem := tc.gpu.problem():
        print(f"no GPU can be measured here: {problem}", file=sys.stderr)
        return 2
    return run(options)
