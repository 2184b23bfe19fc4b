"""Transforms, held against plain formulas and NumPy's own moves of whole pixels."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinycnn.data import (
    ColourToGrey,
    Compose,
    GreyToColour,
    Normalize,
    Pad,
    RandomAffine,
    RandomHorizontalFlip,
    RandomShift,
    Resize,
    ToFloat,
    Transform,
)
from tinycnn.data.transforms import affine, resampling

sides = st.integers(1, 9)
MIDDLE = np.full((1, 5), 0.5)  # the numbers that move nothing


def pictures(rng, *shape, dtype=np.float32):
    return rng.standard_normal(shape).astype(dtype)


class TestPlainOnes:
    def test_to_float(self, rng):
        images = rng.integers(0, 17, (3, 4, 5)).astype(np.uint8)
        images[0, 0, :2] = 0, 16
        found = ToFloat(16)(images)
        assert found.dtype == np.float32
        assert found[0, 0, 0, :2].tolist() == [0, 1]
        np.testing.assert_array_equal(found, (images / 16)[:, None].astype(np.float32))
        colour = rng.integers(0, 256, (3, 2, 4, 5)).astype(np.uint8)
        np.testing.assert_allclose(ToFloat(255)(colour), colour / 255, rtol=1e-6)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_normalize_each_channel_by_its_own_numbers(self, rng, dtype):
        images = pictures(rng, 4, 3, 5, 6, dtype=dtype)
        mean, std = [0.1, -2.0, 0.3], [0.5, 3.0, 2.0]
        found = Normalize(mean, std)(images)
        assert found.dtype == dtype
        for c in range(3):
            np.testing.assert_allclose(found[:, c], (images[:, c] - mean[c]) / std[c], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(Normalize(0.5, 2)(images), (images - 0.5) / 2, rtol=1e-5, atol=1e-6)

    def test_pad(self, rng):
        images = pictures(rng, 2, 3, 4, 5)
        found = Pad((1, 2, 3, 0))(images)
        assert found.shape == (2, 3, 7, 8)
        np.testing.assert_array_equal(found[:, :, 1:5, 3:], images)
        assert np.count_nonzero(found) == np.count_nonzero(images)
        assert Pad(2)(images).shape == (2, 3, 8, 9)

    def test_grey_to_colour(self, rng):
        images = pictures(rng, 2, 1, 4, 5)
        found = GreyToColour()(images)
        assert found.shape == (2, 3, 4, 5)
        np.testing.assert_array_equal(found, images[:, [0, 0, 0]])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_colour_to_grey_weighs_each_colour_by_how_bright_it_looks(self, rng, dtype):
        images = pictures(rng, 2, 3, 4, 5, dtype=dtype)
        found = ColourToGrey()(images)
        assert found.dtype == dtype
        assert found.shape == (2, 1, 4, 5)
        expected = 0.299 * images[:, 0] + 0.587 * images[:, 1] + 0.114 * images[:, 2]
        np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)
        np.testing.assert_allclose(ColourToGrey()(np.ones((1, 3, 1, 1))), 1)

    @pytest.mark.parametrize(
        "transform",
        [
            ToFloat(9),
            Normalize(0.1, 2),
            Pad(1),
            GreyToColour(),
            ColourToGrey(),
            Resize((3, 7)),
            RandomAffine(30),
            RandomHorizontalFlip(),
            RandomHorizontalFlip(0),
            RandomShift(2),
        ],
        ids=repr,
    )
    def test_the_images_given_stay_as_they_are(self, rng, transform):
        images = pictures(rng, 1, 3 if isinstance(transform, ColourToGrey) else 1, 5, 4)
        before = images.copy()
        found = transform(images, rng.random((1, transform.draws)))
        assert not np.shares_memory(found, images)
        np.testing.assert_array_equal(images, before)


# Below 1e-38 float32 has fewer than seven digits, and the parts that a mean adds up lie below the values themselves.
constants = st.floats(-9, 9, width=32).filter(lambda value: value == 0 or abs(value) > 1e-30)


class TestResize:
    @given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), value=constants)
    def test_a_constant_image_stays_constant(self, old, new, value):
        images = np.full((2, 3, *old), value, np.float32)
        found = Resize(new)(images)
        assert found.shape == (2, 3, *new)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, value, rtol=1e-6)

    @given(old=st.integers(1, 60), new=st.integers(1, 60))
    def test_the_matrix_averages_and_is_the_same_from_either_end(self, old, new):
        matrix = resampling(old, new)
        assert matrix.shape == (new, old)
        assert (matrix >= 0).all()
        np.testing.assert_allclose(matrix.sum(axis=1), 1)
        np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-12)
        if new <= old:
            assert (matrix.sum(axis=0) > 0).all(), "a pixel that counts nowhere is lost"

    def test_twice_the_size_by_hand(self):
        found = Resize((1, 4))(np.array([[[[0.0, 4.0]]]]))
        assert found.ravel().tolist() == [0, 1, 3, 4]

    def test_half_the_size_by_hand(self):
        # A triangle two pixels wide to each side: weights 1, 3, 3, 1, and at the border 3, 3, 1.
        found = Resize((1, 2))(np.array([[[[0.0, 7.0, 14.0, 21.0]]]]))
        assert found.ravel() == pytest.approx([(7 * 3 + 14) / 7, (21 * 3 + 14 * 3 + 7) / 7])

    @pytest.mark.parametrize("height", [1, 3, 7])
    def test_one_column_is_resized_like_one_row(self, rng, height):
        images = pictures(rng, 2, 3, 5, 4)
        column, row = Resize((height, 1))(images), Resize((1, height))(images.transpose(0, 1, 3, 2))
        np.testing.assert_allclose(column, row.transpose(0, 1, 3, 2), atol=1e-6)
        np.testing.assert_allclose(column, Resize((height, 1))(Resize((height, 4))(images)), atol=1e-6)

    def test_the_same_size_changes_nothing(self, rng):
        images = pictures(rng, 2, 3, 5, 4)
        np.testing.assert_array_equal(Resize((5, 4))(images), images)


def loops(images, matrix, shift):
    """The formula of affine, pixel by pixel: linear between the four nearest, 0 outside."""
    N, C, H, W = images.shape
    found = np.zeros_like(images)
    centre = np.array([(H - 1) / 2, (W - 1) / 2])
    for n, h, w in np.ndindex(N, H, W):
        h_from, w_from = matrix[n] @ (np.array([h, w]) - centre - shift[n]) + centre
        for i in (np.floor(h_from), np.floor(h_from) + 1):
            for j in (np.floor(w_from), np.floor(w_from) + 1):
                if 0 <= i < H and 0 <= j < W:
                    share = (1 - abs(h_from - i)) * (1 - abs(w_from - j))
                    found[n, :, h, w] += share * images[n, :, int(i), int(j)]
    return found


class TestAffine:
    @given(
        data=st.data(),
        shape=st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 6), st.integers(1, 6)),
        seed=st.integers(0, 99),
    )
    def test_it_is_its_formula(self, data, shape, seed):
        N = shape[0]
        coarse = st.integers(-16, 16).map(lambda number: number / 8)  # often exactly on a pixel, or the border
        matrix = data.draw(hnp.arrays(float, (N, 2, 2), elements=coarse))
        shift = data.draw(hnp.arrays(float, (N, 2), elements=coarse))
        images = np.random.default_rng(seed).standard_normal(shape)
        np.testing.assert_allclose(affine(images, matrix, shift), loops(images, matrix, shift), atol=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_identity_leaves_the_image_exactly_alone(self, rng, dtype):
        images = pictures(rng, 2, 3, 6, 5, dtype=dtype)
        found = affine(images, np.tile(np.eye(2), (2, 1, 1)), np.zeros((2, 2)))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, images)
        every = RandomAffine(degrees=90, translate=1, scale=(0.5, 1.5), shear=45)
        np.testing.assert_array_equal(every(images, np.repeat(MIDDLE, 2, axis=0)), images)

    @given(down=st.integers(-7, 7), across=st.integers(-7, 7))
    def test_a_shift_by_whole_pixels_moves_them_and_lets_zeros_in(self, down, across):
        images = np.random.default_rng(0).standard_normal((1, 2, 6, 5))
        expected = np.roll(np.pad(images, ((0, 0), (0, 0), (7, 7), (7, 7))), (down, across), (2, 3))[..., 7:-7, 7:-7]
        found = affine(images, np.eye(2)[None], np.array([[down, across]]))
        np.testing.assert_array_equal(found, expected)


class TestRandomHorizontalFlip:
    def test_it_mirrors_those_whose_number_is_below_p(self, rng):
        images = pictures(rng, 4, 3, 5, 6)
        found = RandomHorizontalFlip(0.25)(images, np.array([[0.0], [0.24], [0.25], [0.99]]))
        for n, mirrored in enumerate((True, True, False, False)):
            for w in range(6):
                np.testing.assert_array_equal(found[n, ..., w], images[n, ..., 5 - w if mirrored else w])

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
    def test_a_p_that_is_no_probability_is_refused(self, p):
        with pytest.raises(ValueError, match=f"^RandomHorizontalFlip: p must be from 0 to 1, got {p}$"):
            RandomHorizontalFlip(p)


class TestRandomShift:
    @given(down=st.integers(-3, 3), across=st.integers(-3, 3), H=st.integers(1, 6), W=st.integers(1, 6))
    def test_it_moves_whole_pixels_and_lets_zeros_in(self, down, across, H, W):
        images = np.random.default_rng(0).standard_normal((1, 2, H, W))
        expected = np.zeros_like(images)
        for h in range(H):
            for w in range(W):
                if 0 <= h - down < H and 0 <= w - across < W:
                    expected[:, :, h, w] = images[:, :, h - down, w - across]
        # The numbers fall into seven equal parts of [0, 1); the first takes the window furthest up: the picture sinks.
        uniforms = (3 - np.array([[down, across]]) + 0.5) / 7
        np.testing.assert_array_equal(RandomShift(3)(images, uniforms), expected)

    def test_each_shift_is_as_likely(self):
        images = np.zeros((9 * 700, 1, 9, 1), np.float32)
        images[:, 0, 4] = 1
        uniforms = np.random.default_rng(0).random((len(images), 2))
        uniforms[:, 1] = 0.5
        rows = RandomShift(4)(images, uniforms)[:, 0, :, 0].argmax(axis=1)
        counts = np.bincount(rows, minlength=9)
        assert counts.min() > 600  # of 700, four standard deviations below
        assert counts.max() < 800

    def test_images_of_a_batch_move_each_by_its_own(self, rng):
        images = pictures(rng, 2, 3, 5, 6)
        found = RandomShift(1)(images, np.array([[0.0, 0.5], [0.5, 0.99]]))
        np.testing.assert_array_equal(found[0, :, 1:], images[0, :, :-1])
        np.testing.assert_array_equal(found[1, :, :, :-1], images[1, :, :, 1:])
        assert found.dtype == np.float32

    def test_no_pixels_are_refused(self):
        with pytest.raises(ValueError, match="RandomShift: pixels must be at least 1, got 0"):
            RandomShift(0)


class TestRandomAffine:
    @pytest.mark.parametrize("size", [5, 6])
    @pytest.mark.parametrize(("uniform", "turns"), [(0.75, -1), (0.25, 1), (0.0, 2)])
    def test_a_positive_angle_turns_clockwise(self, rng, size, uniform, turns):
        images = pictures(rng, 1, 2, size, size, dtype=np.float64)
        numbers = MIDDLE.copy()
        numbers[0, 0] = uniform  # of −180 … 180 degrees
        found = RandomAffine(degrees=180)(images, numbers)
        np.testing.assert_allclose(found, np.rot90(images, turns, (2, 3)), atol=1e-12)  # rot90 turns the other way

    def test_each_number_has_its_own_effect(self, rng):
        images = pictures(rng, 1, 1, 8, 4, dtype=np.float64)

        def changed(**numbers):
            uniforms = MIDDLE.copy()
            for place, value in numbers.items():
                uniforms[0, int(place[1:])] = value
            return RandomAffine(translate=0.5, scale=(0.5, 2), shear=45)(images, uniforms)

        still = changed(_4=1 / 3)  # of the factors 0.5 … 2, 1
        np.testing.assert_allclose(still, images, atol=1e-12)
        down, across = changed(_2=0.75, _4=1 / 3), changed(_3=0.75, _4=1 / 3)  # a quarter of height and width
        np.testing.assert_allclose(down[:, :, 2:], images[:, :, :-2], atol=1e-12)
        assert np.abs(down[:, :, :2]).max() < 1e-12
        np.testing.assert_allclose(across[..., 1:], images[..., :-1], atol=1e-12)
        sheared = changed(_1=1.0, _4=1 / 3)  # by 45 degrees: the row one above the middle moves one to the right
        for row, moved in ((2, 1.5), (3, 0.5), (4, -0.5)):
            expected = affine(images, np.eye(2)[None], np.array([[0, moved]]))
            np.testing.assert_allclose(sheared[:, :, row], expected[:, :, row], atol=1e-12)

    def test_a_factor_above_one_enlarges(self):
        images = np.zeros((1, 1, 9, 9))
        images[..., 3:6, 3:6] = 1
        numbers = MIDDLE.copy()
        numbers[0, 4] = 0
        large, small = RandomAffine(scale=(3, 3))(images, numbers), RandomAffine(scale=(0.5, 0.5))(images, numbers)
        assert large[0, 0].min() == pytest.approx(2 / 3 * 2 / 3)
        assert np.argwhere(small[0, 0]).tolist() == [[4, 4]]

    @given(uniforms=hnp.arrays(float, (3, 5), elements=st.floats(0, 1, exclude_max=True)), seed=st.integers(0, 9))
    def test_the_picture_stays_within_the_ranges(self, uniforms, seed):
        # A single point far from the middle: where it goes tells angle and factor, and shift where it is the middle.
        H, W = 41, 61
        images = np.zeros((3, 1, H, W))
        images[:, 0, 20, 42] = 1
        found = RandomAffine(degrees=20, scale=(0.8, 1.25))(images, uniforms)
        rows, columns = np.arange(H) - 20, np.arange(W) - 30
        mass = found.sum((1, 2, 3))
        down, across = (found * rows[:, None]).sum((1, 2, 3)) / mass, (found * columns).sum((1, 2, 3)) / mass
        assert (np.abs(np.degrees(np.arctan2(down, across))) <= 20 + 1).all()
        radius = np.hypot(down, across)
        assert (radius >= 0.8 * 12 - 0.5).all()
        assert (radius <= 1.25 * 12 + 0.5).all()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"degrees": -10}, "degrees must be from 0 to 180, got -10"),
            ({"degrees": 200}, "degrees must be from 0 to 180, got 200"),
            ({"degrees": float("nan")}, "degrees must be from 0 to 180, got nan"),
            ({"translate": 2}, "translate must be from 0 to 1, got 2"),
            ({"shear": 90}, "shear must be from 0 to 89, got 90"),
            ({"scale": 0.9}, "scale must be the smallest and the largest factor above 0, got 0.9"),
            ({"scale": (0, 1)}, "scale must be"),
            ({"scale": (1.1, 0.9)}, "scale must be"),
            ({"scale": (1, float("inf"))}, "scale must be"),
            ({"scale": (float("nan"), 1)}, "scale must be"),
            ({"scale": (1, 1, 1)}, "scale must be"),
        ],
    )
    def test_numbers_outside_their_range_are_refused(self, arguments, message):
        with pytest.raises(ValueError, match=f"^RandomAffine: {re.escape(message)}"):
            RandomAffine(**arguments)


class Recorded(Transform):
    """Notes which random numbers it was given."""

    def __init__(self, draws):
        self.draws, self.seen = draws, None

    def apply(self, images, uniforms):
        self.seen = uniforms
        return images


class TestCompose:
    @given(draws=st.lists(st.integers(0, 3), max_size=5))
    def test_each_transform_gets_its_own_columns(self, draws):
        parts = [Recorded(number) for number in draws]
        chain = Compose([Compose(parts[:2]), *parts[2:]])
        assert chain.draws == sum(draws)
        uniforms = np.arange(2 * sum(draws)).reshape(2, -1)
        chain(np.zeros((2, 1, 3, 3)), uniforms)
        assert [part.seen.shape[1] for part in parts] == draws
        np.testing.assert_array_equal(np.concatenate([np.empty((2, 0)), *(part.seen for part in parts)], 1), uniforms)

    def test_they_run_in_order(self):
        found = Compose([ToFloat(2), Normalize(1, 0.5), Pad(1)])(np.array([[[4]]], np.uint8))
        assert found[0, 0].tolist() == [[0, 0, 0], [0, 2, 0], [0, 0, 0]]

    def test_none_at_all_changes_nothing(self, rng):
        images = pictures(rng, 2, 1, 3, 3)
        assert Compose([])(images) is images

    def test_it_tells_what_it_does(self):
        chain = Compose([ToFloat(16), Resize(8), RandomAffine(5)])
        assert repr(chain) == (
            "Compose(transforms=(ToFloat(maximum=16), Resize(size=(8, 8)), "
            "RandomAffine(degrees=5, translate=0.0, scale=(1.0, 1.0), shear=0.0)))"
        )


GREY, FLOATS = np.zeros((2, 5, 4), np.uint8), np.zeros((2, 1, 5, 4), np.float32)


@pytest.mark.parametrize(
    ("transform", "images", "error", "message"),
    [
        (
            ToFloat(255),
            GREY[0],
            ValueError,
            "ToFloat expected images (N, H, W) or (N, C, H, W), got (5, 4): one image is",
        ),
        (Pad(1), GREY, ValueError, "Pad expected images (N, C, H, W), got (2, 5, 4): ToFloat gives"),
        (Resize(3), GREY[:, None], TypeError, "Resize expected float32 or float64, got uint8: ToFloat comes first"),
        (Resize(3), FLOATS[0], ValueError, "Resize expected images (N, C, H, W), got (1, 5, 4)"),
        (Normalize(0.1, 0.3), GREY[:, None], TypeError, "Normalize expected float32 or float64, got uint8"),
        (
            Normalize([1, 2, 3], 1),
            FLOATS,
            ValueError,
            "Normalize: images (2, 1, 5, 4) have 1 channels, Normalize(mean=[1",
        ),
        (Normalize(1, [1, 2]), FLOATS, ValueError, "Normalize: images (2, 1, 5, 4) have 1 channels"),
        (
            ColourToGrey(),
            np.zeros((2, 3, 5, 4), np.uint8),
            TypeError,
            "ColourToGrey expected float32 or float64, got uint8",
        ),
        (
            ColourToGrey(),
            np.zeros((2, 1, 5, 4)),
            ValueError,
            "ColourToGrey expected colour images (N, 3, H, W), got (2, 1, 5, 4)",
        ),
        (
            GreyToColour(),
            FLOATS.repeat(3, 1),
            ValueError,
            "GreyToColour expected grey images (N, 1, H, W), got (2, 3, 5",
        ),
        (RandomAffine(9), FLOATS, ValueError, "RandomAffine is random: give it 5 numbers an image"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Transform) else None,
)
def test_images_that_do_not_fit_are_refused(transform, images, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        transform(images)


@pytest.mark.parametrize("shape", [(2, 4), (3, 5), (10,)])
def test_random_numbers_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"RandomAffine takes 5 numbers an image, \(2, 5\) in all, got"):
        RandomAffine(9)(FLOATS, np.zeros(shape))


def test_integers_are_not_turned():
    with pytest.raises(TypeError, match="RandomAffine expected float32 or float64, got uint8"):
        RandomAffine(9)(GREY[:, None], np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: ToFloat(0), ValueError),
        (lambda: ToFloat("255"), TypeError),
        (lambda: Normalize(0, 0), ValueError),
        (lambda: Normalize(0, [1, -1]), ValueError),
        (lambda: Normalize(float("nan"), 1), ValueError),
        (lambda: Normalize(0, float("inf")), ValueError),
        (lambda: Pad(-1), ValueError),
        (lambda: GreyToColour(0), ValueError),
        (lambda: Resize(0), ValueError),
        (lambda: Resize((3, 4, 5)), ValueError),
        (lambda: Resize(2.5), TypeError),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(make, error):
    with pytest.raises(error, match=r"^(ToFloat|Normalize|Pad|GreyToColour|Resize): "):
        make()


def test_a_transform_without_apply_says_so():
    with pytest.raises(NotImplementedError, match="Transform has no apply method: define apply"):
        Transform()(FLOATS)
