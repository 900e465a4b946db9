"""How objects are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter, Token

from dinoseg.errors import OptionError
from dinoseg.method import Method
from dinoseg.options.declare import RECORDED, WHERE_SET, Flag, require
from dinoseg.options.model import ModelOptions

Parameters: TypeAlias = tuple[str, ...] | Mapping[str, Any]
"""Parameters of a method: ``("tau=0.3",)`` or ``{"tau": 0.3}``."""


def as_words(parameters: Parameters) -> tuple[str, ...]:
    """Parameters as they are typed."""
    if isinstance(parameters, Mapping):
        return tuple(f"{name}={value}" for name, value in parameters.items())
    return tuple(parameters)


def words(_: object, tokens: Sequence[Token]) -> tuple[str, ...]:
    """What was typed, as it is."""
    return tuple(token.value for token in tokens)


def word(_: object, tokens: Sequence[Token]) -> str:
    """The one word that was typed."""
    return tokens[0].value


AUTO = "auto"
"""The method that suits the model: see ``SegmentOptions.chosen_method``."""
Name = Parameter(converter=word)
Items = Parameter(converter=words, n_tokens=1, accepts_keys=False, negative="", consume_multiple=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SegmentOptions(ModelOptions):
    """How objects are found."""

    method: Annotated[str | Method, Name] = field(default=AUTO, metadata={RECORDED: "method_name"})
    """A name of `dinoseg methods`; auto takes head for the built-in model, attention-cut for others; in Python also a
    method object."""
    param: Annotated[Parameters, Items] = ()
    """A parameter of the method, `name=value`; may be repeated (see `dinoseg methods NAME`); in Python also a dict."""
    refine: str = "guided"
    """How masks are fitted to the image's edges: guided (filter), bilateral (solver), crf (dense CRF) or none."""
    parts: Annotated[bool, Flag] = field(default=False, metadata=WHERE_SET)
    """Each connected part of a mask is an object; parts below 8 % of the largest are none."""
    min_presence: float = 0.0
    """No mask where the probability of an object, 0..1, is below this (default: never; 0.3 is careful)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "param", as_words(self.param))
        if self.param and not isinstance(self.method, str):
            raise OptionError("--param is for a method that is named; a method object has its parameters.")
        require(0 <= self.min_presence <= 1, "--min-presence", self.min_presence, "0..1")

    @property
    def chosen_method(self) -> str | Method:
        """The method, where it was left to the model too: ``head`` for the built-in, which has one that is ahead of
        ``attention-cut`` on all sets but DUTS (docs/results.md), else ``attention-cut``."""
        if self.method != AUTO:
            return self.method
        return "head" if self.model == ModelOptions.model else "attention-cut"

    @property
    def method_name(self) -> str:
        """The name of the method; of an object that of its class."""
        method = self.chosen_method
        return method if isinstance(method, str) else type(method).__qualname__
