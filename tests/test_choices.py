"""Names to choose from, and what is said where there is none of that name."""

import pytest

from tinycnn.choices import look_up

TABLE = {"lenet5": 1, "lenet1998": 2, "alexnet": 3, "vgg16": 4}


def test_a_name_gives_its_entry():
    assert [look_up("model", name, TABLE) for name in TABLE] == [1, 2, 3, 4]
    assert look_up("model", "none", {"none": None}) is None


@pytest.mark.parametrize(
    ("name", "near"),
    [("lenet", "lenet5"), ("LeNet5", "lenet5"), ("alex-net", "alexnet"), ("vgg-16", "vgg16"), ("VGG16", "vgg16")],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(name, near):
    with pytest.raises(ValueError, match=f"^unknown model '{name}': did you mean {near}\\?$"):
        look_up("model", name, TABLE)


@pytest.mark.parametrize("name", ["", "resnet50000", "?", None, 5])
def test_anything_else_is_answered_with_all_there_are(name):
    message = r"^unknown model .*: choose from lenet5, lenet1998, alexnet, vgg16$"
    with pytest.raises(ValueError, match=message) as caught:
        look_up("model", name, TABLE)
    assert repr(name) in str(caught.value)
