"""DataLoader: batches in a seeded order, made in background threads while the last one is computed on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinycnn import checks
from tinycnn.arrays import Array, is_array, is_cupy
from tinycnn.data.transforms import Transform
from tinycnn.random import Purpose, stream

AHEAD = 2  # batches a worker has ready: one to hand over, one in the making
KEPT = 1 << 28  # bytes that `transformed_once` may take: MNIST's images for LeNet-5 are 225 MB
PIECE = 1024  # images that it transforms at once


class DataLoader:
    """Images and labels in batches, in main memory: who computes on a GPU copies each there while it needs the last.

    What a batch holds depends on the seed, the epoch and its number alone, and a random change of an image on the seed,
    the epoch and the image's index: neither on the number of workers nor on what ran before.

    Parameters
    ----------
    images
        (N, …): what ``transform`` takes, or what the network takes where there is none.
    labels
        (N, …): integers (N,) for classes, anything else for a loss that takes it.
    batch_size
        Images in a batch; the last may have fewer.
    shuffle
        Whether each epoch has an order of its own.
    transform
        Applied to each batch of images.
    seed
        Of the order and of the random changes, from 0 to 2**64 - 1.
    drop_last
        Whether to leave out a last batch that is not full.
    workers
        Threads that make batches ahead; 0 makes each when it is asked for.

    Raises
    ------
    ValueError, TypeError
        For no images, images and labels of different lengths, arrays on the GPU, or a number outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> loader = tc.data.DataLoader(np.zeros((5, 1, 8, 8), np.float32), np.arange(5), batch_size=2)
    >>> for images, labels in loader:
    ...     print(images.shape, labels)
    (2, 1, 8, 8) [0 1]
    (2, 1, 8, 8) [2 3]
    (1, 1, 8, 8) [4]
    """

    def __init__(
        self,
        images: Array,
        labels: Any,
        batch_size: int = 64,
        *,
        shuffle: bool = False,
        transform: Transform | None = None,
        seed: int = 0,
        drop_last: bool = False,
        workers: int = 1,
    ):
        if is_cupy(images) or is_cupy(labels):
            raise TypeError("DataLoader keeps images and labels in main memory: pass images.get() and labels.get()")
        self.images, self.labels = images if is_array(images) else np.asarray(images), np.asarray(labels)
        if 0 in (self.images.ndim, self.labels.ndim) or len(self.images) != len(self.labels):
            raise ValueError(
                f"DataLoader got images {self.images.shape} and labels {self.labels.shape}: it takes one label an image"
            )
        if not len(self.images):
            raise ValueError("DataLoader got no images")
        self.batch_size = checks.count("DataLoader", "batch_size", batch_size, least=1)
        self.seed = checks.count("DataLoader", "seed", seed, most=2**64 - 1)
        self.workers = checks.count("DataLoader", "workers", workers)
        self.shuffle, self.transform, self.drop_last = shuffle, transform, drop_last
        self._next_epoch = 0
        if not len(self):
            raise ValueError(
                f"DataLoader: no batch of {batch_size} is full with {len(self.images)} images: leave out drop_last"
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.images) // self.batch_size if self.drop_last else -(-len(self.images) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """The batches of the next epoch."""
        self._next_epoch += 1
        return self.batches(self._next_epoch - 1)

    def batches(self, epoch: int, first: int = 0) -> Iterator[tuple[Array, Array]]:
        """The batches of one epoch, from number ``first`` on: images and labels (batch, …)."""
        epoch = checks.count("DataLoader", "epoch", epoch, most=2**56 - 1)
        first = checks.count("DataLoader", "first", first, most=len(self))
        indices = np.arange(len(self.images))
        if self.shuffle:
            indices = stream(self.seed, Purpose.ORDER, epoch).permutation(indices)
        uniforms = None
        if self.transform is not None and self.transform.draws:
            uniforms = stream(self.seed, Purpose.CHANGES, epoch).random((len(self.images), self.transform.draws))

        def make(number: int) -> tuple[Array, Array]:
            chosen = indices[number * self.batch_size : (number + 1) * self.batch_size]
            images = self.images[chosen]
            if self.transform is not None:
                images = self.transform(images, None if uniforms is None else uniforms[chosen])
            return images, self.labels[chosen]

        numbers = range(first, len(self))
        return prefetched(make, numbers, self.workers) if self.workers else map(make, numbers)


def prefetched(
    make: Callable[[int], tuple[Array, Array]], numbers: Iterable[int], workers: int
) -> Iterator[tuple[Array, Array]]:
    """``make(number)`` of each number in order, worked out ahead by threads; an error is raised in its place."""
    from concurrent.futures import Future, ThreadPoolExecutor

    pending: deque[Future[tuple[Array, Array]]] = deque()
    pool = ThreadPoolExecutor(workers, "tinycnn-loader")
    try:
        for number in numbers:
            pending.append(pool.submit(make, number))
            if len(pending) > AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def transformed_once(images: Array, transform: Transform) -> tuple[Array, Transform | None]:
    """Images for a `DataLoader`, and what it is still to do to them: nothing, where that can be done beforehand.

    Which it can where the transform draws no random numbers, and these images take 256 MiB at most. To make LeNet-5's
    batches anew in each epoch takes 4 % of a training step with one thread, and with two, which have to share their
    cores with the thread that makes them, 15 %.

    Parameters
    ----------
    images
        (N, …), what ``transform`` takes.
    transform
        It must make the same of an image each time.

    Returns
    -------
    images : array
        Transformed, or as they were given.
    transform : Transform or None
        None where they are transformed.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> images, transform = transformed_once(np.full((2, 1, 1), 255, np.uint8), tc.data.ToFloat(255))
    >>> images.ravel(), transform
    (array([1., 1.], dtype=float32), None)
    """
    if transform.draws or not len(images):
        return images, transform
    first = transform(images[:1])
    if len(images) * first.nbytes > KEPT:
        return images, transform
    ready = np.empty((len(images), *first.shape[1:]), first.dtype)
    for start in range(0, len(images), PIECE):
        ready[start : start + PIECE] = transform(images[start : start + PIECE])
    return ready, None
