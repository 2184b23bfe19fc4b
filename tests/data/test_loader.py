"""DataLoader: the same batches whatever the workers, changes that belong to the image, threads that end."""

import re
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn.data import DATA_SETS, DataLoader, RandomAffine, Transform
from tinycnn.data.loader import AHEAD, KEPT, PIECE, prefetched, transformed_once

PATIENCE = 20  # seconds; only a test that fails waits for as long


class Stamp(Transform):
    """Adds to each image its own random numbers, and can so be read off the result."""

    draws = 2

    def apply(self, images, uniforms):
        return np.concatenate([images, uniforms], axis=1)


class Failing(Transform):
    """Fails on the batch that holds image 7."""

    def apply(self, images, uniforms):
        if 7 in images:
            raise LookupError("image 7")
        return images


def loader(length, batch_size=3, **options):
    """Image i is the number i, and its label −i."""
    return DataLoader(np.arange(length, dtype=float)[:, None], -np.arange(length), batch_size, **options)


def content(batches):
    return [(images.tolist(), labels.tolist()) for images, labels in batches]


def order(batches):
    return [int(image) for images, _ in batches for image in images[:, 0]]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("tinycnn-loader")]


def end_of_threads():
    """Wait for the threads of loaders that were left; each ends with the batch it is at."""
    for thread in loader_threads():
        thread.join(PATIENCE)
    return not loader_threads()


lengths, sizes, seeds = st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**64 - 1)


class TestOrder:
    @given(length=lengths, size=sizes, seed=seeds, shuffle=st.booleans(), epoch=st.integers(0, 2**56 - 1))
    def test_each_image_comes_once_an_epoch_with_its_label(self, length, size, seed, shuffle, epoch):
        made = loader(length, size, seed=seed, shuffle=shuffle, workers=0)
        batches = list(made.batches(epoch))
        assert len(batches) == len(made)
        assert sorted(order(batches)) == list(range(length))
        assert [len(images) for images, _ in batches[:-1]] == [size] * (len(made) - 1)
        for images, labels in batches:
            np.testing.assert_array_equal(labels, -images[:, 0])

    def test_without_shuffle_it_is_the_order_given(self):
        assert order(loader(10)) == list(range(10))

    @given(seed=seeds)
    def test_seed_and_epoch_each_give_another_order(self, seed):
        other = seed ^ 1
        orders = [order(loader(30, seed=s, shuffle=True, workers=0).batches(e)) for s in (seed, other) for e in (0, 1)]
        assert len({*map(tuple, orders), tuple(range(30))}) == 5

    def test_each_place_of_the_order_can_hold_any_image(self):
        made = loader(4, 4, shuffle=True, workers=0)
        counts = np.zeros((4, 4), int)
        for epoch in range(400):
            counts[range(4), order(made.batches(epoch))] += 1
        assert counts.min() > 65  # of 100, four standard deviations below

    @given(length=lengths, size=sizes, seed=seeds, epoch=st.integers(0, 5))
    def test_workers_make_no_difference(self, length, size, seed, epoch):
        options = {"seed": seed, "shuffle": True, "transform": Stamp()}
        expected = content(loader(length, size, workers=0, **options).batches(epoch))
        for workers in (1, 3):
            assert content(loader(length, size, workers=workers, **options).batches(epoch)) == expected

    def test_what_ran_before_makes_no_difference(self):
        options = {"seed": 5, "shuffle": True, "transform": Stamp()}
        used = loader(20, **options)
        first, second = content(used), content(used)
        np.random.seed(1)  # noqa: NPY002
        for _ in used:
            break
        left_early, other = iter(used), used.batches(1)
        next(left_early)
        assert content(other) == second != first
        assert content(loader(20, **options).batches(0)) == first
        assert content(loader(20, **options).batches(4)) == content(used)  # after four that were begun

    @given(data=st.data(), length=lengths, size=sizes, workers=st.sampled_from([0, 1, 3]))
    def test_a_later_start_gives_the_tail(self, data, length, size, workers):
        made = loader(length, size, seed=3, shuffle=True, transform=Stamp(), workers=workers)
        first = data.draw(st.integers(0, len(made)))
        assert content(made.batches(2, first=first)) == content(made.batches(2))[first:]

    @given(length=lengths, size=sizes)
    def test_drop_last_leaves_out_what_is_not_full(self, length, size):
        kept = loader(length, size, seed=1, shuffle=True, workers=0)
        if length < size:
            with pytest.raises(
                ValueError, match=f"no batch of {size} is full with {length} images: leave out drop_last"
            ):
                loader(length, size, drop_last=True)
            return
        dropped = loader(length, size, seed=1, shuffle=True, workers=0, drop_last=True)
        assert len(dropped) == length // size
        assert content(dropped.batches(0)) == content(kept.batches(0))[: length // size]


class TestRandomChanges:
    @given(seed=seeds, epoch=st.integers(0, 3), size=sizes, shuffle=st.booleans(), workers=st.sampled_from([0, 2]))
    def test_they_belong_to_seed_epoch_and_image_alone(self, seed, epoch, size, shuffle, workers):
        def changes(**options):
            made = DataLoader(np.arange(24.0)[:, None], np.arange(24), transform=Stamp(), seed=seed, **options)
            return {image[0]: tuple(image[1:]) for images, _ in made.batches(epoch) for image in images}

        assert changes(batch_size=size, shuffle=shuffle, workers=workers) == changes(batch_size=24, workers=0)

    def test_every_image_epoch_and_seed_has_its_own_and_they_are_uniform(self):
        numbers = []
        for seed in (0, 1, 2**64 - 1):
            made = loader(500, 500, seed=seed, transform=Stamp(), workers=0)
            numbers += [images[:, 1:] for epoch in range(3) for images, _ in made.batches(epoch)]
        numbers = np.concatenate(numbers).ravel()
        assert len(set(numbers)) == numbers.size == 9000
        assert (numbers.min(), numbers.max(), numbers.mean()) == pytest.approx((0, 1, 0.5), abs=0.01)

    def test_the_same_picture_in_another_batch(self, rng):
        images = rng.random((9, 1, 8, 8), np.float32)
        options = {"transform": RandomAffine(degrees=20, translate=0.1), "seed": 4}
        alone = [picture for (picture,), _ in DataLoader(images, range(9), 1, **options).batches(1)]
        shuffled = DataLoader(images, range(9), 4, shuffle=True, workers=2, **options)
        for pictures, labels in shuffled.batches(1):
            for picture, label in zip(pictures, labels, strict=True):
                np.testing.assert_array_equal(picture, alone[label])
        assert not np.array_equal(alone[0], images[0])


class TestArguments:
    @pytest.mark.parametrize(
        "labels", [[3, 1, 2], (3, 1, 2), np.array([0.5, 1.5, 2.5]), np.eye(3), [[True, False]] * 3]
    )
    def test_labels_of_any_kind_and_shape(self, labels):
        ((_, found),) = DataLoader(np.zeros((3, 1)), labels, 5)
        np.testing.assert_array_equal(found, np.asarray(labels))
        assert found.dtype == np.asarray(labels).dtype

    def test_images_as_a_list(self):
        ((images, _),) = DataLoader([[1.0, 2.0], [3.0, 4.0]], [0, 1])
        assert images.tolist() == [[1, 2], [3, 4]]

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (np.zeros((3, 2)), [1, 2], "got images (3, 2) and labels (2,): it takes one label an image"),
            (np.zeros((3, 2)), 1, "got images (3, 2) and labels (): it takes one label an image"),
            (np.zeros(()), [1], "got images () and labels (1,): it takes one label an image"),
            (np.zeros((0, 2)), [], "got no images"),
        ],
    )
    def test_images_and_labels_that_do_not_fit_are_refused(self, images, labels, message):
        with pytest.raises(ValueError, match=re.escape(f"DataLoader {message}")):
            DataLoader(images, labels)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"batch_size": 0}, ValueError, "batch_size must be a whole number, 1 or more, got 0"),
            ({"batch_size": 1.5}, TypeError, "batch_size must be a whole number, 1 or more, got 1.5"),
            ({"workers": -1}, ValueError, "workers must be a whole number, 0 or more, got -1"),
            ({"workers": 1.5}, TypeError, "workers must be a whole number, 0 or more, got 1.5"),
            ({"workers": True}, TypeError, "workers must be a whole number, 0 or more, got True"),
            ({"seed": -1}, ValueError, "seed must be a whole number, from 0 to 18446744073709551615, got -1"),
            ({"seed": np.int64(-1)}, ValueError, "seed must be a whole number, from 0 to"),
            ({"seed": 2**64}, ValueError, "seed must be a whole number, from 0 to"),
            ({"seed": "a"}, TypeError, "seed must be a whole number, from 0 to 18446744073709551615, got 'a'"),
        ],
    )
    def test_numbers_outside_their_range_are_refused_at_once(self, options, error, message):
        with pytest.raises(error, match=f"^DataLoader: {message}"):
            loader(5, **options)

    @pytest.mark.parametrize(("epoch", "first"), [(-1, 0), (np.int64(-1), 0), (2**56, 0), (0, -1), (0, 3)])
    def test_an_epoch_or_start_that_is_not_there_is_refused_at_once(self, epoch, first):
        with pytest.raises(ValueError, match=r"^DataLoader: (epoch|first) must be a whole number, from 0 to"):
            loader(5).batches(epoch, first)

    @pytest.mark.parametrize("number", [np.int8(7), np.uint64(7), np.int64(7)])
    def test_integers_of_numpy_are_integers(self, number):
        expected = content(loader(20, 7, seed=7, shuffle=True, transform=Stamp()).batches(7, 1))
        made = loader(20, number, seed=number, shuffle=True, transform=Stamp(), workers=number)
        assert content(made.batches(number, np.int64(1))) == expected

    def test_what_was_handed_out_is_a_copy(self):
        images, labels = np.zeros((4, 1)), np.zeros(4, int)
        for batch_images, batch_labels in DataLoader(images, labels, 2):
            batch_images += 1
            batch_labels += 1
        assert not images.any()
        assert not labels.any()


class TestErrors:
    @pytest.mark.parametrize("workers", [0, 1, 3])
    def test_they_are_raised_in_their_place_with_their_type(self, workers):
        batches = loader(20, 3, transform=Failing(), workers=workers).batches(0)
        assert [next(batches)[1].tolist() for _ in range(2)] == [[0, -1, -2], [-3, -4, -5]]
        with pytest.raises(LookupError, match="image 7") as caught:
            next(batches)
        assert caught.traceback[-1].name == "apply", "the traceback does not lead to the line that failed"
        assert end_of_threads()


def numbered(number):
    return np.array([number]), np.array([number])


class TestThreads:
    @pytest.mark.parametrize("workers", [1, 3])
    def test_no_thread_is_left(self, workers):
        assert end_of_threads()
        for _ in loader(50, workers=workers):
            assert loader_threads()
        assert end_of_threads()

    @pytest.mark.parametrize("workers", [1, 3])
    def test_none_is_left_where_the_loop_was_left_early(self, workers):
        for _ in loader(50, workers=workers):
            break
        assert end_of_threads()
        with pytest.raises(KeyError):
            self.fail_within(loader(50, workers=workers))
        assert end_of_threads()

    def fail_within(self, batches):
        for _ in batches:
            raise KeyError("of the consumer")

    def test_a_loop_left_early_makes_no_further_batches(self):
        made, gate = [], threading.Event()

        def make(number):
            made.append(number)
            if number:
                gate.wait(PATIENCE)
            return numbered(number)

        batches = prefetched(make, range(100), 1)
        next(batches)
        batches.close()  # with 1 in the making, and 2 to come
        gate.set()
        assert end_of_threads()
        assert made in ([0], [0, 1])

    def test_without_workers_each_is_made_when_it_is_asked_for_and_there_are_no_threads(self):
        class Counted(Transform):
            calls = 0

            def apply(self, images, uniforms):
                self.calls += 1
                return images

        assert end_of_threads()
        transform = Counted()
        batches = loader(50, transform=transform, workers=0).batches(0)
        assert transform.calls == 0
        for expected in (1, 2, 3):
            next(batches)
            assert transform.calls == expected
        assert not loader_threads()

    def test_batches_that_nobody_asks_for_cost_nothing(self):
        assert end_of_threads()
        loader(50).batches(0)
        assert not loader_threads()

    def test_the_next_batch_is_made_while_this_one_is_used(self):
        second = threading.Event()

        def make(number):
            if number == 1:
                second.set()
            return numbered(number)

        for images, _ in prefetched(make, range(3), 1):
            if images[0] == 0:
                assert second.wait(PATIENCE), "the worker waits for the consumer"

    def test_workers_make_batches_at_the_same_time(self):
        together = threading.Barrier(3)

        def make(number):
            together.wait(PATIENCE)  # broken unless three arrive
            return numbered(number)

        assert [int(images[0]) for images, _ in prefetched(make, range(6), 3)] == list(range(6))

    def test_batches_come_in_order_whichever_is_ready_first(self):
        later = threading.Event()

        def make(number):
            if number == 0:
                later.wait(PATIENCE)
            if number == 2:
                later.set()
            return numbered(number)

        assert [int(images[0]) for images, _ in prefetched(make, range(5), 2)] == list(range(5))

    @pytest.mark.parametrize("workers", [1, 3])
    def test_they_do_not_run_ahead_further_than_they_may(self, workers):
        ahead = AHEAD * workers
        started, waiting, handed = [], [], 0
        enough = threading.Condition()

        def make(number):
            with enough:
                started.append(number)
                waiting.append(len(started) - handed)
                enough.notify()
            return numbered(number)

        for _ in prefetched(make, range(40), workers):
            with enough:
                handed += 1
                # A slow consumer: all that may be made is made before it goes on.
                assert enough.wait_for(lambda: len(started) >= min(handed + ahead, 40), PATIENCE)  # noqa: B023
        assert ahead <= max(waiting) <= ahead + 1

    @pytest.mark.parametrize(
        "leaving",
        ["sys.exit(3)", "del batches; sys.exit(3)"],
    )
    def test_the_interpreter_can_exit_in_the_middle_of_an_epoch(self, leaving):
        script = f"""
            import sys, time
            import numpy as np
            import tinycnn as tc
            class Slow(tc.data.Transform):
                def apply(self, images, uniforms):
                    time.sleep(0.02)
                    return images
            loader = tc.data.DataLoader(np.zeros((1000, 1)), np.zeros(1000), 1, workers=2, transform=Slow())
            batches = iter(loader)
            next(batches)
            {leaving}
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert (result.returncode, result.stderr) == (3, "")


@pytest.mark.parametrize("length", [1, 7, PIECE + 3])
def test_images_transformed_once_are_those_of_each_batch_bit_for_bit(length):
    images = np.random.default_rng(0).integers(0, 256, (length, 28, 28), np.uint8)
    transform = DATA_SETS["mnist"].transform((1, 32, 32))
    ready, left = transformed_once(images, transform)
    labels = np.arange(length)
    made = DataLoader(images, labels, 5, shuffle=True, transform=transform)
    assert left is None
    for (image, label), (same_image, same_label) in zip(made, DataLoader(ready, labels, 5, shuffle=True), strict=True):
        np.testing.assert_array_equal(same_image, image, strict=True)
        np.testing.assert_array_equal(same_label, label)


def test_random_changes_are_left_to_the_loader():
    images, transform = np.zeros((4, 1, 8, 8), np.float32), RandomAffine()
    assert transformed_once(images, transform) == (images, transform)


def test_images_that_would_take_too_much_memory_are_left_to_the_loader(monkeypatch):
    images, transform = np.zeros((3, 28, 28), np.uint8), DATA_SETS["mnist"].transform((1, 32, 32))
    size = 3 * 32 * 32 * 4
    monkeypatch.setattr("tinycnn.data.loader.KEPT", size)
    assert transformed_once(images, transform)[1] is None
    monkeypatch.setattr("tinycnn.data.loader.KEPT", size - 1)
    ready, left = transformed_once(images, transform)
    assert ready is images
    assert left is transform


def test_mnist_for_lenet5_may_be_transformed_once():
    assert KEPT >= 60_000 * 32 * 32 * 4
