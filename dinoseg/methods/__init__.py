"""How objects are found: one file per method, one line each in ``METHODS``."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, is_dataclass
from typing import Any

from dinoseg.errors import OptionError
from dinoseg.method import Method
from dinoseg.methods.parameters import Parameter, parameters_of, parse_parameters
from dinoseg.options import Parameters
from dinoseg.registry import Registry

METHODS = Registry(
    "--method",
    {
        "head": "dinoseg.methods.head:SegmentationHead",
        "attention-cut": "dinoseg.methods.attention_cut:AttentionCut",
        "attention": "dinoseg.methods.attention:AttentionMap",
        "tokencut": "dinoseg.methods.tokencut:TokenCut",
        "maskcut": "dinoseg.methods.maskcut:MaskCut",
        "spectral": "dinoseg.methods.spectral:Spectral",
        "lost": "dinoseg.methods.lost:Lost",
        "dino-seg": "dinoseg.methods.dino_seg:DinoSeg",
        "found": "dinoseg.methods.found:Found",
        "kmeans": "dinoseg.methods.kmeans:PatchClusters",
        "prior": "dinoseg.methods.prior:Prior",
    },
)


@dataclass(frozen=True, slots=True)
class Description:
    """A method, told to people."""

    name: str
    summary: str
    """One line."""
    text: str
    """The whole docstring, with the formula of the score."""
    needs_network: bool
    parameters: tuple[Parameter, ...]


def make_method(method: str | Method, params: Parameters = ()) -> Method:
    """The method of that name with parameters given as ``("tau=0.3",)`` or ``{"tau": 0.3}``; or the object itself.

    Raises ``OptionError`` for a name, parameter, type or value that does not exist, with the nearest that does.
    """
    if not isinstance(method, str):
        if not (isinstance(method, Method) and is_dataclass(method)) or isinstance(method, type):
            raise OptionError(
                f"{method!r} is no method: it must be a name, or an object of a dataclass like those in "
                "dinoseg.methods (derive it from dinoseg.methods.base.NetworkMethod)."
            )
        return method
    cls = method_class(method)
    made: Method = cls(**parse_parameters(cls, method, params))
    return made


def method_class(name: str) -> type[Any]:
    """The dataclass behind a name. Raises ``OptionError``."""
    loaded: type[Any] = METHODS.load(name)
    return loaded


def describe(name: str) -> Description:
    """What a method does and its parameters. Raises ``OptionError`` for an unknown name."""
    cls = method_class(name)
    text = inspect.cleandoc(cls.__doc__ or "")
    return Description(name, text.partition("\n")[0], text, cls.needs_network, parameters_of(cls))


def methods_without_attention() -> list[str]:
    """Names of those that need the patch features of a network only."""
    return [name for name in METHODS if (cls := method_class(name)).needs_network and not cls.needs_attention]


def describe_methods() -> list[Description]:
    """All methods, the default first."""
    return [describe(name) for name in METHODS]
