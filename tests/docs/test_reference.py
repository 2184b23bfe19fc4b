"""The reference has every public name, and every command."""

import re
import zlib
from importlib import import_module
from inspect import getmodule, isclass, isfunction, ismodule

import pytest

from tinycnn.cli.main import app

pytestmark = pytest.mark.xdist_group("docs")

PACKAGES = ["", ".data", ".functional", ".inspect", ".models", ".nn", ".optim", ".plot", ".training"]
MODULES = [".function", ".geometry", ".gpu", ".hooks", ".nn.init"]
MODULES += [f".kernels.loops.{name}" for name in ("convolution", "im2col", "pooling", "normalization", "winograd")]
KERNELS = [".kernels.numpy", ".kernels.numba"]
KERNELS += [f".kernels.numpy.conv_{name}" for name in ("direct", "im2col", "winograd", "fft")]
UNLISTED = {"tinycnn.__version__", "tinycnn.kernels.numba.DTYPES"}
UNLISTED |= {f"tinycnn.kernels.{name}.choose_convolution" for name in ("numpy", "numba")}


def public(name):
    """The public names of a module: what it exports, else what it defines; of kernels, the functions."""
    module = import_module(f"tinycnn{name}")
    exported = getattr(module, "__all__", None)
    for attribute, value in vars(module).items():
        is_kind = isfunction(value) or (isclass(value) and ".kernels." not in name)
        is_own = is_kind and getmodule(value) is module and not attribute.startswith("_")
        if (is_own if exported is None else attribute in exported) and not ismodule(value):
            yield f"tinycnn{name}.{attribute}"


def entries(built):
    """The names in the inventory of the built site."""
    head, _, packed = (built / "objects.inv").read_bytes().partition(b"zlib.\n")
    assert head.startswith(b"# Sphinx inventory version 2")
    return {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines() if " py:" in line}


@pytest.mark.parametrize("module", PACKAGES + MODULES + KERNELS)
def test_no_public_name_is_missing(module, site):
    names = set(public(module)) - UNLISTED
    assert len(names) > 2
    assert not names - entries(site)


def test_public_names_are_known():
    assert {"tinycnn.Tensor", "tinycnn.cat"} <= set(public(""))
    assert "tinycnn.data" not in set(public(""))
    assert "tinycnn.function.Function" in set(public(".function"))
    assert not {"tinycnn.function.watched", "tinycnn.function._name"} & set(public(".function"))


def test_every_command_is_told(site):
    text = (site / "reference" / "command-line.html").read_text(encoding="utf-8")

    def commands(parent, path):
        for name in parent:
            if not name.startswith("-"):
                yield f"{path} {name}"
                yield from commands(parent[name], f"{path} {name}")

    found = list(commands(app, "tinycnn"))
    assert {"tinycnn train", "tinycnn bench conv", "tinycnn learn export nbgrader"} <= set(found)
    assert not [command for command in found if f">{command}<" not in text]
    assert "--empty-" not in text
    assert "--no-json" not in text


def test_each_letter_is_told_once(site):
    text = (site / "reference" / "glossary.html").read_text(encoding="utf-8")
    found = [re.sub(r"<.*?>", "", term) for term in re.findall(r"<dt id=.*?>(.*?)<a", text)]
    assert found == ["N", "C", "H, W", "K", "R, S", "P, Q", "G"]
