"""Files such as MNIST's, of two images each, and their checksums."""

import gzip
import hashlib

import numpy as np

from tests.data.test_idx import idx_bytes

IMAGES = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 251
LABELS = np.array([3, 1])
PARTS = {
    f"{split}-{kind}": idx_bytes(array + offset, 0x08)
    for split, offset in (("train", 0), ("t10k", 4))
    for kind, array in (("images", IMAGES), ("labels", LABELS))
}
SUFFIXES = {"images": "idx3-ubyte", "labels": "idx1-ubyte"}
NAMES = {part: f"{part}-{SUFFIXES[part.partition('-')[2]]}" for part in PARTS}
PUBLISHED = {NAMES[part] + ".gz": gzip.compress(raw, mtime=0) for part, raw in PARTS.items()}


def table(algorithm):
    """Checksums of the small files above, as the tables of the real ones hold them."""
    return {
        part: (
            hashlib.sha256(PUBLISHED[NAMES[part] + ".gz"]).hexdigest(),
            f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}",
        )
        for part, raw in PARTS.items()
    }
