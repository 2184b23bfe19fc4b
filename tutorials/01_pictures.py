import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="1. A picture is an array")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("01_pictures")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("start")
    return


@app.cell
def _():
    photo = tc.data.photograph("china")
    flower = tc.data.photograph("flower")
    tc.plot.pictures(
        {lesson.word("china"): photo, lesson.word("flower"): flower}, alt=lesson.word("photos_alt"), size=3.5
    )
    return flower, photo


@app.cell(hide_code=True)
def _():
    guess_entries = lesson.question("entries")
    guess_entries
    return (guess_entries,)


@app.cell(hide_code=True)
def _(guess_entries):
    lesson.answer("entries", guess_entries)
    return


@app.cell
def _(photo):
    C, H, W = photo.shape
    lesson.numbers(channels=C, height=H, width=W, entries=photo.size, bytes=photo.nbytes, dtype=str(photo.dtype))
    return C, H, W


@app.cell(hide_code=True)
def _():
    lesson.text("pixel")
    return


@app.cell
def _():
    row = lesson.slider("row", 3, 423, 90)
    column = lesson.slider("column", 3, 636, 176)
    colours = [lesson.word(colour) for colour in ("red", "green", "blue")]
    channel = lesson.choice("channel", colours, colours[0])
    lesson.controls(row, column, channel)
    return channel, colours, column, row


@app.cell
def _(channel, colours, column, row):
    c, h, w = colours.index(channel.value), row.value, column.value
    return c, h, w


@app.function
def framed(picture, top, left, height, width, thick=6):
    """A copy of a (C, H, W) picture with a dark frame around a part of it."""
    copy = picture.copy()
    copy[:, max(top - thick, 0) : top + height + thick, max(left - thick, 0) : left + width + thick] = 0
    inside = np.s_[:, max(top, 0) : top + height, max(left, 0) : left + width]
    copy[inside] = picture[inside]
    return copy


@app.cell
def _(h, photo, w):
    tc.plot.pictures(
        {lesson.word("place"): framed(photo, h - 12, w - 12, 25, 25)},
        alt=lesson.word("place_alt"),
        size=4,
    )
    return


@app.cell
def _(c, h, photo, w):
    tc.plot.pictures(
        {lesson.word("patch"): photo[c, h - 3 : h + 4, w - 3 : w + 4]},
        alt=lesson.word("patch_alt"),
        numbers="d",
        size=3.5,
    )
    return


@app.cell
def _(c, h, photo, w):
    red, green, blue = photo[:, h, w]
    lesson.numbers(red=red, green=green, blue=blue, chosen=photo[c, h, w])
    return


@app.cell(hide_code=True)
def _():
    lesson.text("channels")
    return


@app.cell
def _(colours, photo):
    tc.plot.pictures(dict(zip(colours, photo, strict=True)), alt=lesson.word("channels_alt"), size=2.8)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("grey")
    return


@app.function
def grey(picture, weights):
    """grey[h, w] = Σ weights[c] · picture[c, h, w], the sum over the channels c."""
    return np.tensordot(weights, picture, axes=1)  # (3,) · (3, H, W) -> (H, W)


@app.cell
def _():
    recipes = {
        lesson.word("eye"): (0.299, 0.587, 0.114),
        lesson.word("mean"): (1 / 3, 1 / 3, 1 / 3),
        lesson.word("blue_alone"): (0, 0, 1),
    }
    recipe = lesson.choice("recipe", list(recipes), lesson.word("eye"))
    recipe
    return recipe, recipes


@app.cell
def _(h, photo, recipe, recipes, w):
    grey_photo = grey(photo, recipes[recipe.value])
    lesson.numbers(grey_here=grey_photo[h, w], grey_mean=grey_photo.mean())
    return (grey_photo,)


@app.cell
def _(grey_photo):
    tc.plot.pictures({lesson.word("grey"): grey_photo}, alt=lesson.word("grey_alt"), limits=(0, 255), size=4)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _(photo):
    few_pixels = photo[None, :, 90:92, 176:179].astype(float)  # (1, 3, 2, 3)
    quarters = np.reshape([0.25, 0.5, 0.25], (1, 3, 1, 1))
    tc.trace(lambda x, weight: F.conv2d(x, weight), few_pixels, quarters, backward=False)
    return few_pixels, quarters


@app.cell(hide_code=True)
def _():
    lesson.text("layout")
    return


@app.cell
def _(C, H, W, c, h, photo, w):
    place_chw = (c * H + h) * W + w
    place_hwc = (h * W + w) * C + c
    same_number = photo.ravel()[place_chw] == photo.transpose(1, 2, 0).ravel()[place_hwc]
    lesson.numbers(place_chw=place_chw, place_hwc=place_hwc, value=photo.ravel()[place_chw])
    return (same_number,)


@app.cell(hide_code=True)
def _():
    guess_layout = lesson.question("layout")
    guess_layout
    return (guess_layout,)


@app.cell(hide_code=True)
def _(guess_layout):
    lesson.answer("layout", guess_layout)
    return


@app.cell
def _(C, H, W, photo):
    from_file = photo.transpose(1, 2, 0).copy()  # (H, W, C), as files and screens have it
    transposed = from_file.transpose(2, 0, 1)  # (H, W, C) -> (C, H, W)
    reshaped = from_file.reshape(C, H, W)
    tc.plot.pictures(
        {"from_file.transpose(2, 0, 1)": transposed, "from_file.reshape(C, H, W)": reshaped},
        alt=lesson.word("layout_alt"),
        size=3.5,
    )
    return reshaped, transposed


@app.cell(hide_code=True)
def _(photo, reshaped, transposed):
    lesson.numbers(
        transposed_wrong=100 * np.mean(transposed != photo),
        reshaped_wrong=100 * np.mean(reshaped != photo),
        reshaped_shape=str(reshaped.shape),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("batch")
    return


@app.cell
def _(flower, photo):
    both = np.stack([photo, flower])  # (N, C, H, W)
    digits = tc.data.digits("train")[0][:, None]  # (N, H, W) -> (N, 1, H, W)
    lesson.numbers(photos_shape=str(both.shape), digits_shape=str(digits.shape))
    return (both,)


@app.cell(hide_code=True)
def _():
    lesson.text("forgotten")
    return


@app.cell
def _():
    kernel = tc.Tensor(np.ones((1, 1, 3, 3)))
    try:
        F.conv2d(tc.Tensor(np.zeros((28, 28))), kernel)
    except ValueError as error:
        message = str(error)
    message
    return (message,)


@app.cell(hide_code=True)
def _():
    lesson.text("levels")
    return


@app.cell(hide_code=True)
def _():
    guess_wrap = lesson.question("wrap")
    guess_wrap
    return (guess_wrap,)


@app.cell(hide_code=True)
def _(guess_wrap):
    lesson.answer("wrap", guess_wrap)
    return


@app.cell(hide_code=True)
def _():
    brighter = lesson.slider("brighter", 0, 120, 60, step=10)
    brighter
    return (brighter,)


@app.cell
def _(brighter, photo):
    wrapped = photo + np.uint8(brighter.value)  # uint8 + uint8 stays uint8
    clipped = np.clip(photo.astype(np.int32) + brighter.value, 0, 255).astype(np.uint8)
    tc.plot.pictures(
        {lesson.word("wrapped"): wrapped, lesson.word("clipped"): clipped}, alt=lesson.word("wrapped_alt"), size=3.5
    )
    return clipped, wrapped


@app.cell(hide_code=True)
def _(clipped, photo, wrapped):
    lesson.numbers(
        wrapped=100 * np.mean(wrapped < photo),
        mean_before=photo.mean(),
        mean_wrapped=wrapped.mean(),
        mean_clipped=clipped.mean(),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("range")
    return


@app.cell(hide_code=True)
def _():
    guess_alike = lesson.question("alike")
    guess_alike
    return (guess_alike,)


@app.cell(hide_code=True)
def _():
    prepared = lesson.choice(
        "prepared", [lesson.word(step) for step in ("levels", "unit", "centred", "scaled")], lesson.word("levels")
    )
    prepared
    return (prepared,)


@app.function
def cosine(a, b):
    """cos(a, b) = Σ a·b / √(Σ a² · Σ b²): 1 for the same direction, 0 for nothing in common, −1 for opposites."""
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


@app.cell
def _(both):
    unit = both.astype(np.float32) / 255  # (N, C, H, W), from 0 to 1
    mean = unit.mean(axis=(0, 2, 3), keepdims=True)  # (1, C, 1, 1): one for each channel
    deviation = unit.std(axis=(0, 2, 3), keepdims=True)
    ways = {
        lesson.word("levels"): both.astype(np.float32),
        lesson.word("unit"): unit,
        lesson.word("centred"): unit - mean,
        lesson.word("scaled"): (unit - mean) / deviation,
    }
    return mean, ways


@app.cell
def _(prepared, ways):
    batch = ways[prepared.value]
    lesson.numbers(least=batch.min(), largest=batch.max(), mean=abs(batch.mean()), cosine=cosine(*batch))
    return


@app.cell
def _(guess_alike, ways):
    cosines = [cosine(*batch) for batch in ways.values()]
    lesson.answer("alike", guess_alike, before=f"{cosines[0]:.2f}", after=f"{cosines[2]:.2f}".replace("-", "−"))
    return (cosines,)


@app.cell(hide_code=True)
def _():
    lesson.text("shift")
    return


@app.cell(hide_code=True)
def _():
    guess_shift = lesson.question("shift")
    guess_shift
    return (guess_shift,)


@app.cell(hide_code=True)
def _(guess_shift):
    lesson.answer("shift", guess_shift)
    return


@app.function
def differences(frame, template):
    """d[p, q] = Σ (frame[p + r, q + s] − template[r, s])², the sum over r and s: 0 where the template is found."""
    R, S = template.shape
    P, Q = frame.shape[0] - R + 1, frame.shape[1] - S + 1
    return sum((frame[r : r + P, s : s + Q] - template[r, s]) ** 2 for r in range(R) for s in range(S))


@app.cell(hide_code=True)
def _():
    shift = lesson.slider("shift", 0, 60, 8)
    shift
    return (shift,)


@app.cell
def _(photo, shift):
    bright = grey(photo, (0.299, 0.587, 0.114))
    still = bright[20:220, 100:360]  # (200, 260)
    moved = bright[20:220, 100 + shift.value : 360 + shift.value]
    ornament = bright[32:56, 200:224]  # the top of the tower
    found = differences(moved, ornament)
    found_row, found_column = np.unravel_index(found.argmin(), found.shape)
    tc.plot.pictures(
        {
            lesson.word("still"): still,
            lesson.word("moved"): framed(moved[None], found_row, found_column, 24, 24, thick=2),
            lesson.word("difference"): np.abs(moved - still),
        },
        alt=lesson.word("moved_alt"),
        limits=(0, 255),
        size=2.8,
    )
    return bright, found, found_column, moved, still


@app.cell(hide_code=True)
def _(found, found_column, moved, still):
    lesson.numbers(
        distance=np.abs(moved - still).mean(),
        mean_change=abs(moved.mean() - still.mean()),
        found_column=found_column,
        found_least=found.min(),
    )
    return


@app.cell
def _(bright, flower, still):
    shifts = np.arange(61)
    distances = [np.abs(bright[20:220, 100 + each : 360 + each] - still).mean() for each in shifts]
    means = [abs(bright[20:220, 100 + each : 360 + each].mean() - still.mean()) for each in shifts]
    other = np.abs(grey(flower, (0.299, 0.587, 0.114))[20:220, 100:360] - still).mean()
    tc.plot.curves(
        {lesson.word("distance_line"): distances, lesson.word("mean_line"): means},
        x=lesson.word("shift_axis"),
        y=lesson.word("level_axis"),
        alt=lesson.word("curves_alt"),
    )
    return distances, means, other


@app.cell(hide_code=True)
def _(distances, means, other):
    lesson.text(
        "shifted",
        one=f"{distances[1]:.1f}",
        eight=f"{distances[8]:.1f}",
        other=f"{other:.1f}",
        mean=f"{means[1]:.1f}",
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("03_padding")
    return


@app.cell(hide_code=True)
def _(cosines, few_pixels, mean, message, other, photo, quarters, reshaped, same_number, still, transposed):
    assert photo.shape == (3, 427, 640)
    assert same_number
    assert (transposed == photo).all()
    assert (reshaped != photo).mean() > 0.5
    assert "x.reshape(1, 1, 28, 28)" in message
    assert cosines[0] > 0.5 > cosines[2]
    assert mean.shape == (1, 3, 1, 1)
    assert other > np.abs(still - still.mean()).mean()
    by_convolution = F.conv2d(tc.Tensor(few_pixels), tc.Tensor(quarters)).data[0, 0]
    np.testing.assert_allclose(by_convolution, grey(few_pixels[0], (0.25, 0.5, 0.25)), rtol=0, atol=1e-12)
    return


if __name__ == "__main__":
    app.run()
