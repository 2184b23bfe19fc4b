"""Files such as CIFAR-10's published ones, of a few images each."""

import hashlib
import io
import sys
import tarfile

import numpy as np

OF_A_BATCH = 40
NAMES = [f"data_batch_{number}.bin" for number in (1, 2, 3, 4, 5)] + ["test_batch.bin"]


def _batch(rng: np.random.Generator) -> bytes:
    """Records of a label, then the three colours, row by row; each class as often."""
    records = rng.integers(0, 256, (OF_A_BATCH, 3073), np.uint8)
    records[:, 0] = rng.permutation(np.arange(OF_A_BATCH) % 10)
    return records.tobytes()


BATCHES = {name: _batch(np.random.default_rng(seed)) for seed, name in enumerate(NAMES)}


def _archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name, content in reversed(BATCHES.items()):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


ARCHIVE = _archive()


def expect(folder, monkeypatch):
    """Let cifar10() look into ``cifar10/`` of this folder for the small files; gives that place."""
    module = sys.modules["tinycnn.data.cifar10"]
    monkeypatch.setenv("TINYCNN_DATA", str(folder))
    monkeypatch.setattr(module, "IMAGES", OF_A_BATCH)
    monkeypatch.setattr(module, "DIGEST", f"md5:{hashlib.md5(ARCHIVE).hexdigest()}")
    return folder / "cifar10"


def store_packed(folder, archive=ARCHIVE):
    folder.mkdir(exist_ok=True)
    (folder / "cifar-10-binary.tar.gz").write_bytes(archive)


def store_unpacked(folder):
    (folder / "cifar-10-batches-bin").mkdir(parents=True)
    for name, content in BATCHES.items():
        (folder / "cifar-10-batches-bin" / name).write_bytes(content)
