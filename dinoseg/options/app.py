"""The page in the browser."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from dinoseg.options.declare import Options, Whole, require


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AppOptions(Options):
    """Where the page is served."""

    port: Whole | None = None
    """Of 127.0.0.1 (default: the first free one from 7860)."""
    open_browser: Annotated[bool, Parameter(name="--open", negative="")] = False
    """Open the page in the browser of this machine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.port is None or 1 <= self.port <= 65535, "--port", self.port, "1..65535")
