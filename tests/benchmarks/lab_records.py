"""Records as the lab makes them, with figures that could be: all layers of three models, the whole grid, two peers."""

from zlib import crc32

import numpy as np

from tinycnn.benchmarks.conv.convolutions import Convolution, crossover
from tinycnn.geometry import conv_geometry

PASSES = ["forward", "backward_input", "backward_weight"]
ALGORITHMS = ["direct", "im2col", "winograd", "fft"]
PEAK = {"flops": 252e9, "flops_by": "fused multiply-adds in registers", "bytes": 33e9, "threads": 2}
LAYERS = (  # model, layers, input, weight, stride, padding, groups
    ("lenet5", "c1", (64, 1, 32, 32), (6, 1, 5, 5), 1, 0, 1),
    ("lenet5", "c3", (64, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1),
    ("lenet5", "c5", (64, 16, 5, 5), (120, 16, 5, 5), 1, 0, 1),
    ("alexnet", "features.0", (16, 3, 227, 227), (96, 3, 11, 11), 4, 0, 1),
    ("alexnet", "features.4", (16, 96, 27, 27), (256, 48, 5, 5), 1, 2, 2),
    ("alexnet", "features.8", (16, 256, 13, 13), (384, 256, 3, 3), 1, 1, 1),
    ("alexnet", "features.10", (16, 384, 13, 13), (384, 192, 3, 3), 1, 1, 2),
    ("alexnet", "features.12", (16, 384, 13, 13), (256, 192, 3, 3), 1, 1, 2),
    ("vgg16", "features.0", (4, 3, 224, 224), (64, 3, 3, 3), 1, 1, 1),
    ("vgg16", "features.2", (4, 64, 224, 224), (64, 64, 3, 3), 1, 1, 1),
    ("vgg16", "features.5", (4, 64, 112, 112), (128, 64, 3, 3), 1, 1, 1),
    ("vgg16", "features.7", (4, 128, 112, 112), (128, 128, 3, 3), 1, 1, 1),
    ("vgg16", "features.10", (4, 128, 56, 56), (256, 128, 3, 3), 1, 1, 1),
    ("vgg16", "features.12 features.14", (4, 256, 56, 56), (256, 256, 3, 3), 1, 1, 1),
    ("vgg16", "features.17", (4, 256, 28, 28), (512, 256, 3, 3), 1, 1, 1),
    ("vgg16", "features.19 features.21", (4, 512, 28, 28), (512, 512, 3, 3), 1, 1, 1),
    ("vgg16", "features.24 features.26 features.28", (4, 512, 14, 14), (512, 512, 3, 3), 1, 1, 1),
)
BATCHES = {"lenet5": (1, 16, 64, 256), "alexnet": (1, 4, 16), "vgg11": (1, 4), "vgg16": (1, 4)}
KINDS = {
    "lenet5": (0.62, 0.1, 0.08, 0.0, 0.06, 0.02, 0.12),
    "alexnet": (0.55, 0.05, 0.04, 0.05, 0.12, 0.17, 0.02),
    "vgg11": (0.72, 0.06, 0.03, 0.0, 0.08, 0.1, 0.01),
    "vgg16": (0.84, 0.06, 0.02, 0.0, 0.03, 0.04, 0.01),
}
KIND_NAMES = ("convolution", "activation", "pooling", "LRN", "full layers", "optimiser", "everything else")


def conv_record(of=("lenet5", "alexnet", "vgg16", "crossover"), backends=("numba",), against=("torch",)):
    """A record of kind "conv"; the grid's slowest convolutions were skipped."""
    found = []
    for model, layers, x, weight, stride, padding, groups in LAYERS:
        if model in of:
            geometry = conv_geometry("test", x, weight, stride, padding, 1, groups)
            found.append(Convolution(model, layers, geometry))
    found += crossover() if "crossover" in of else []
    settings = {"of": list(of), "batch": None, "passes": PASSES, "backends": list(backends), "threads": 2}
    settings |= {"algorithms": ALGORITHMS, "runs": 5, "repeat": 3, "limit": 1.0, "against": list(against)}
    record = _about("conv", settings) | {"peaks": [PEAK] * 5, "convolutions": [c.described for c in found]}
    record |= {"rows": [], "winners": [], "against": []}
    for i, convolution in enumerate(found):
        for phase in PASSES:
            for backend in backends:
                rows = [_row(i, convolution, phase, backend, name) for name in ALGORITHMS]
                record["rows"] += rows
                record["winners"] += _winner(i, phase, backend, rows)
            if convolution.of != "crossover":
                record["against"] += [_duel(record, i, phase, peer) for peer in against]
    return record


def models_record(backends=("numba",), against=("torch", "onnxruntime"), threads=(2,)):
    """A record of kind "models"."""
    settings = {"models": list(BATCHES), "batches": None, "threads": list(threads), "backends": list(backends)}
    settings |= {"works": ["train", "inference"], "against": list(against), "repeat": 10}
    record = _about("models", settings) | {"peaks": [PEAK | {"threads": n} for n in threads], "rows": [], "against": []}
    flops = {"lenet5": 2.3e6, "alexnet": 4.1e9, "vgg11": 45e9, "vgg16": 92.7e9}
    for model, batches in BATCHES.items():
        for work in ("train", "inference"):
            for batch in batches:
                for count in threads:
                    amount = flops[model] * batch * (1 if work == "train" else 0.34)
                    _model(record, model, work, batch, count, amount)
    return record


def _model(record, model, work, batch, threads, flops):
    key = {"model": model, "work": work, "batch": batch, "threads": threads}
    rng = np.random.default_rng(crc32(str(key).encode()))
    parts = np.array(KINDS[model]) * rng.uniform(0.8, 1.2, 7)
    parts[5] *= work == "train"
    parts /= parts.sum()
    for backend in record["settings"]["backends"]:
        seconds = flops / (90e9 if backend == "numba" else 30e9) / threads * 2 + 2e-4
        row = key | {"side": backend, "variant": ""} | _rates(seconds, flops, batch)
        row |= {"expected_bytes": int(2e8 + flops / 40), "unfused_seconds": 1.06 * seconds}
        row |= {"kinds": dict(zip(KIND_NAMES, (1.06 * seconds * parts).tolist(), strict=True)), "layers": []}
        record["rows"].append(row)
    for peer in record["settings"]["against"]:
        if peer == "onnxruntime" and work == "train":
            record["rows"].append(key | {"side": peer, "variant": "", "cannot": "it does not train"})
            continue
        ratio = rng.uniform(0.8, 1.9)
        variants = ("nchw", "channels_last", "mkldnn off") if peer == "torch" else ("",)
        for place, variant in enumerate(variants):
            theirs = seconds * ratio * (1 + 0.3 * place)
            record["rows"].append(key | {"side": peer, "variant": variant} | _rates(theirs, flops, batch))
        duel = {"side": record["settings"]["backends"][-1], "peer": peer, "variant": variants[0]}
        record["against"].append(key | duel | {"times_as_fast": ratio, "quartiles": [0.97 * ratio, 1.02 * ratio]})


def _rates(seconds, flops, batch):
    told = {"median_seconds": seconds, "quartiles_seconds": [0.98 * seconds, 1.03 * seconds]}
    told |= {"images_per_second": batch / seconds, "gflops": flops / seconds / 1e9}
    return told | {"share_of_peak": flops / seconds / PEAK["flops"], "peak_bytes": int(1.5e8 + flops / 40)}


def _about(kind, settings):
    about = {"format": "tinycnn lab 1", "kind": kind, "date": "2026-11-28", "settings": settings | {"quick": False}}
    environment = {"tinycnn": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "blas": "openblas 0.3.31"}
    about["environment"] = environment | {"machine": "x86_64", "algorithms": "rules", "numba": "0.68.1"}
    caches = {"L1d": 32768, "L2": 1048576, "L3": 33554432}
    machine = {"processor": "x86_64, AMD EPYC, cpu family 25, model 17", "cores": 2, "memory": 25276514304}
    return about | {"machine": machine | {"caches": caches}}


def _row(index, convolution, phase, backend, name):
    g = convolution.geometry
    row = {"convolution": index, "pass": phase, "backend": backend, "algorithm": name, "auto": name == "im2col"}
    rng = np.random.default_rng(crc32(f"{index}{phase}{name}".encode()))
    if name == "winograd" and not (g.stride == (1, 1) and g.R in (3, 5)):
        return row | {"cannot": f"winograd takes 3x3 and 5x5 kernels at stride 1, not {g.R}x{g.S}"}
    wide = min(g.C, g.K) / (min(g.C, g.K) + 6)  # few channels fill no vector
    rate = {"direct": 170 * wide**0.5 * g.Q / (g.Q + g.S), "im2col": 180 * wide, "winograd": 400 * wide**2}
    rate["fft"] = 2.2 * g.R * wide
    if convolution.of != "crossover":
        row["auto"] = name == ("winograd" if g.stride == (1, 1) and g.R in (3, 5) and g.C > 16 else "im2col")
    if backend == "numpy":
        rate = {name: value / 2.5 for name, value in rate.items()} | {"direct": 0.05}
    seconds = g.flops / (rate[name] * rng.uniform(0.75, 1.25) * 1e9) + 2e-6 + g.least_bytes() / 33e9
    if seconds > (0.1 if convolution.of == "crossover" else 3):
        return row | {"skipped": "a call would take longer than the limit of 0.1 s", "estimated_seconds": seconds}
    row |= {"workspace_bytes": 1 << 20, "error": 2e-6, "run_seconds": [seconds] * 5, "median_seconds": seconds}
    row |= {"quartiles_seconds": [0.98 * seconds, 1.03 * seconds], "gflops": g.flops / seconds / 1e9}
    return row | {"effective": name in ("winograd", "fft"), "share_of_peak": g.flops / seconds / PEAK["flops"]}


def _winner(index, phase, backend, rows):
    ranked = sorted((row for row in rows if "median_seconds" in row), key=lambda row: row["median_seconds"])
    if not ranked:
        return []
    names, fastest = [row["algorithm"] for row in ranked], ranked[0]["median_seconds"]
    tied = [row["algorithm"] for row in ranked if row["median_seconds"] < 1.05 * fastest]
    ahead = ranked[1]["median_seconds"] / fastest if len(ranked) > 1 else 1.0
    told = {"winner": "" if len(tied) > 1 else names[0], "tied": tied if len(tied) > 1 else [], "ahead": ahead}
    return [{"convolution": index, "pass": phase, "backend": backend, "why": "it must be so"} | told]


def _duel(record, index, phase, peer):
    backend = record["settings"]["backends"][-1]
    (row,) = (
        r
        for r in record["rows"]
        if (r["convolution"], r["pass"], r["backend"], r["auto"]) == (index, phase, backend, True)
    )
    told = {"convolution": index, "pass": phase, "peer": peer, "backend": backend, "algorithm": row["algorithm"]}
    if peer == "onnxruntime" and phase != "forward":
        return told | {"cannot": "ONNX Runtime has no backward pass"}
    ratio = np.random.default_rng(index).uniform(0.8, 2.4)
    ways = {"nchw": 1.1, "channels_last": 1.0, "mkldnn off": 1.7} if peer == "torch" else {"": 1.0}
    ways = {way: factor * ratio * row["median_seconds"] for way, factor in ways.items()}
    fastest = min(ways, key=ways.get)
    told |= {"seconds": row["median_seconds"], "variant": fastest, "variants": ways, "peer_seconds": ways[fastest]}
    return told | {"times_as_fast": ratio, "quartiles": [0.97 * ratio, 1.04 * ratio], "peer_error": 1e-6}
