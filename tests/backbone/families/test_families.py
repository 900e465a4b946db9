"""What every family says of itself, and that nobody else knows it by its name."""

import ast
from pathlib import Path

import pytest

import dinoseg
from dinoseg.backbone.families import FAMILIES, families, family_of
from dinoseg.errors import OptionError
from dinoseg.methods.base import facet_for

PACKAGE = Path(dinoseg.__file__).parent


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_the_name_under_which_it_is_found(name):
    assert family_of(name).name == name
    assert facet_for(name) in family_of(name).facets
    assert set(family_of(name).centred) <= set(family_of(name).facets)


def test_a_name_that_is_none_is_a_key_error():
    with pytest.raises(OptionError):
        family_of("vgg")


def test_presence_is_told_from_attention():
    assert all(family.attention for family in families() if family.presence)


@pytest.mark.parametrize(("name", "facet"), [("dino", "key"), ("dinov2", "token"), ("convolutional", "token")])
def test_the_facet_of_methods(name, facet):
    assert facet_for(name) == facet


def compared(path: Path) -> list[str]:
    """Strings of a file that are compared, or looked for at the beginning of another."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if compares(node)]
    return [part.value for node in nodes for part in ast.walk(node) if isinstance(part, ast.Constant)]


def compares(node: ast.AST) -> bool:
    """Whether it is ``a == b``, ``a in b`` or ``a.startswith(b)``."""
    call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith"
    return isinstance(node, ast.Compare) or call


def test_nobody_but_a_family_compares_its_name():
    for path in PACKAGE.rglob("*.py"):
        if "families" not in path.parts:
            assert not FAMILIES.keys() & set(map(str, compared(path))), path
