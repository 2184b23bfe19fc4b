"""The table of data sets, their way to a network's input, and the part that is held out."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinycnn.data import DATA_SETS, ColourToGrey, GreyToColour, Normalize, Pad, RandomAffine, Resize, digits
from tinycnn.data.sets import hold_out

label_arrays = hnp.arrays(np.uint8, st.integers(1, 60), elements=st.integers(0, 4))
fractions = st.floats(0, 1, exclude_max=True)
seeds = st.integers(0, 2**64 - 1)


class TestHoldOut:
    @given(labels=label_arrays, fraction=fractions, seed=seeds)
    def test_each_index_is_in_one_part_in_order(self, labels, fraction, seed):
        kept, held = hold_out(labels, fraction, seed)
        assert sorted([*kept, *held]) == list(range(len(labels)))
        assert list(kept) == sorted(kept)
        assert list(held) == sorted(held)

    @given(labels=label_arrays, fraction=fractions, seed=seeds)
    def test_the_same_part_of_each_class_is_held_out(self, labels, fraction, seed):
        _, held = hold_out(labels, fraction, seed)
        for label in np.unique(labels):
            assert (labels[held] == label).sum() == round(fraction * (labels == label).sum())

    @given(labels=label_arrays, seed=seeds)
    def test_nothing_is_held_out_where_nothing_is_asked_for(self, labels, seed):
        kept, held = hold_out(labels, 0, seed)
        assert list(kept) == list(range(len(labels)))
        assert held.shape == (0,)
        assert labels[held].shape == (0,), "indices that cannot index"

    def test_it_depends_on_the_seed_and_on_nothing_else(self):
        _, labels = digits()
        first = hold_out(labels, 0.1, 7)
        np.random.seed(0)  # noqa: NPY002
        np.testing.assert_array_equal(hold_out(labels.astype(np.int64), 0.1, np.int64(7))[1], first[1])
        assert not np.array_equal(hold_out(labels, 0.1, 8)[1], first[1])

    def test_any_image_of_a_class_can_be_held_out(self):
        labels = np.repeat([0, 1], 10)
        counts = sum(np.bincount(hold_out(labels, 0.3, seed)[1], minlength=20) for seed in range(300))
        assert counts.sum() == 300 * 6
        assert counts.min() > 55  # of 90, four standard deviations below

    @pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
    def test_a_fraction_outside_its_range_is_refused(self, fraction):
        with pytest.raises(
            ValueError, match=f"hold_out: fraction must be from 0 up to, not including, 1, got {fraction}"
        ):
            hold_out(np.arange(5), fraction, 0)


def images_like(data_set, count):
    shape = (count, *((3,) if data_set.channels == 3 else ()), data_set.size, data_set.size)
    return np.random.default_rng(0).integers(0, data_set.maximum + 1, shape, np.uint8)


class TestDataSets:
    @pytest.mark.parametrize("name", DATA_SETS)
    def test_the_table_agrees_with_itself(self, name):
        data_set = DATA_SETS[name]
        assert data_set.name == name
        assert len(set(data_set.classes)) == 10
        assert 0 < data_set.box <= data_set.size
        assert data_set.channels == np.size(data_set.std) == (3 if name == "cifar10" else 1)

    def test_mean_and_deviation_are_those_of_the_digits(self):
        data_set = DATA_SETS["digits"]
        images = data_set.read("train")[0] / data_set.maximum
        assert (images.mean(), images.std()) == pytest.approx((data_set.mean, data_set.std), abs=5e-5)
        assert images.shape[1:] == (data_set.size, data_set.size)
        assert images.max() == 1

    @given(
        name=st.sampled_from([*DATA_SETS]),
        shape=st.tuples(st.integers(1, 3), st.integers(1, 48), st.integers(1, 48)),
        augment=st.booleans(),
    )
    def test_images_come_to_the_shape_that_the_network_takes(self, name, shape, augment):
        data_set = DATA_SETS[name]
        if (data_set.channels, shape[0]) == (3, 2):
            with pytest.raises(
                ValueError, match="images of cifar10 have 3 channels, and the network takes 2: choose one"
            ):
                data_set.transform(shape, augment)
            return
        transform = data_set.transform(shape, augment)
        found = transform(images_like(data_set, 2), np.random.default_rng(1).random((2, transform.draws)))
        assert found.shape == (2, *shape)
        assert found.dtype == np.float32
        assert transform.draws == (sum(change.draws for change in data_set.augmentation) if augment else 0)

    def test_lenets_border_is_paper_around_the_untouched_image(self):
        data_set = DATA_SETS["mnist"]
        images = np.random.default_rng(0).integers(0, 256, (2, 28, 28), np.uint8)
        found = data_set.transform((1, 32, 32))(images)
        ink = found * data_set.std + data_set.mean
        np.testing.assert_allclose(ink[:, 0, 2:-2, 2:-2], images / 255, atol=1e-6)
        ink[:, 0, 2:-2, 2:-2] = 0
        np.testing.assert_allclose(ink, 0, atol=1e-6)

    @pytest.mark.parametrize(
        ("name", "shape", "step"),
        [
            ("mnist", (1, 28, 28), Pad),
            ("mnist", (1, 35, 28), Pad),
            ("mnist", (1, 36, 28), Resize),
            ("mnist", (1, 27, 28), Resize),
            ("digits", (1, 10, 9), Pad),
            ("digits", (1, 32, 32), Resize),
        ],
    )
    def test_a_small_border_is_added_and_all_else_resized(self, name, shape, step):
        steps = DATA_SETS[name].transform(shape).transforms
        assert [type(part) for part in steps[1:2]] == [step]

    @given(size=st.integers(8, 10), other=st.integers(8, 10))
    def test_the_odd_line_of_a_border_is_at_the_bottom_right(self, size, other):
        assume(size != other)
        (top, bottom, left, right) = DATA_SETS["digits"].transform((1, size, other)).transforms[1].padding
        assert (top + bottom, left + right) == (size - 8, other - 8)
        assert bottom - top in (0, 1)
        assert right - left in (0, 1)

    def test_colour_is_three_times_the_grey(self):
        images = digits("test")[0][:3]
        grey, colour = (DATA_SETS["digits"].transform((C, 32, 32)) for C in (1, 3))
        assert isinstance(colour.transforms[-1], GreyToColour)
        np.testing.assert_array_equal(colour(images), np.repeat(grey(images), 3, axis=1))

    def test_grey_of_colours_is_their_weighted_sum(self):
        data_set = DATA_SETS["cifar10"]
        images = images_like(data_set, 3)
        colour, grey = (data_set.transform((C, 32, 32)) for C in (3, 1))
        assert isinstance(colour.transforms[-1], Normalize)
        assert isinstance(grey.transforms[-1], ColourToGrey)
        channels = colour(images)
        for c in range(3):
            expected = (images[:, c] / 255 - data_set.mean[c]) / data_set.std[c]
            np.testing.assert_allclose(channels[:, c], expected, atol=1e-5)
        np.testing.assert_allclose(
            grey(images)[:, 0], 0.299 * channels[:, 0] + 0.587 * channels[:, 1] + 0.114 * channels[:, 2], atol=1e-5
        )

    def test_photos_are_mirrored_and_shifted_and_digits_are_not_mirrored(self):
        photos, ink = DATA_SETS["cifar10"], DATA_SETS["mnist"]
        assert [type(change).__name__ for change in photos.augmentation] == ["RandomHorizontalFlip", "RandomShift"]
        assert [type(change) for change in ink.augmentation] == [RandomAffine]
        image = images_like(photos, 1)
        transform, still = photos.transform((3, 32, 32), augment=True), photos.transform((3, 32, 32))
        middle = 0.5  # of the shifts from −4 to 4
        np.testing.assert_array_equal(transform(image, np.array([[0.9, middle, middle]])), still(image))
        np.testing.assert_array_equal(transform(image, np.array([[0.1, middle, middle]])), still(image)[..., ::-1])
        moved = transform(image, np.array([[0.9, 0.99, 0.0]]))
        np.testing.assert_array_equal(moved[..., :-4, 4:], still(image)[..., 4:, :-4])
        black = -np.array(photos.mean) / np.array(photos.std)
        np.testing.assert_allclose(moved[0, :, -1, 0], black, rtol=1e-5)

    def test_changes_come_before_normalising_so_that_paper_comes_in_from_outside(self):
        data_set = DATA_SETS["digits"]
        transform = data_set.transform((1, 8, 8), augment=True)
        found = transform(np.zeros((50, 8, 8), np.uint8), np.random.default_rng(0).random((50, 5)))
        np.testing.assert_allclose(found, -data_set.mean / data_set.std, rtol=1e-5)
