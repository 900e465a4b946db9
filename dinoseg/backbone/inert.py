"""What ``torch.load`` may take for the module ``pickle``: it reads the same files and runs nothing that is in them."""

from __future__ import annotations

import builtins
import pickle
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import IO, Any

import torch

TENSOR_PARTS = {
    "collections": {"OrderedDict"},
    "torch": {"Size", "Tensor", "device"},
    "torch._tensor": {"_rebuild_from_type_v2"},
    "torch._utils": {"_rebuild_parameter", "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"},
    "torch.nn.parameter": {"Parameter"},
    "torch.storage": {"TypedStorage", "UntypedStorage"},
}
"""All that a pickle may really ask for, by module; beside it dtypes, and storages, which torch looks after itself."""
DATA_MODULES = {
    *("_codecs", "_collections", "abc", "argparse", "collections", "copyreg", "dataclasses", "datetime"),
    *("decimal", "enum", "fractions", "functools", "numbers", "operator", "pathlib", "re", "types", "typing", "uuid"),
}
"""Those of Python's own whose objects settings are made of. What else a file asks of Python is meant to act."""


class ActsError(pickle.UnpicklingError):
    """A pickle asks for what could only be meant to run."""


class StandIn:
    """In the place of every object that is no tensor (settings, optimisers, classes): takes all, does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """As a list's."""

    def extend(self, values: object) -> None:
        """As a list's."""

    def add(self, value: object) -> None:
        """As a set's."""


class Unpickler(pickle.Unpickler):
    """Makes tensors and plain containers; nothing else in a pickle is imported, called or made."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle names: a part of tensors, or a stand-in. Raises ``ActsError``."""
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # of Python 2
        if name in TENSOR_PARTS.get(module, ()) or (
            module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        ):
            return super().find_class(module, name)
        if acts(module, name):
            raise ActsError(f"{module}.{name}")
        return type(name, (StandIn,), {"__module__": module})


def acts(module: str, name: str) -> bool:
    """Whether a name of Python's own is none of data: of these a training program has no use in a checkpoint."""
    package = module.partition(".")[0]
    if package == "builtins":
        return name != "getattr" and not isinstance(getattr(builtins, name, None), type)
    return package in sys.stdlib_module_names and package not in DATA_MODULES


def load(file: IO[bytes], **how: Any) -> Any:
    """As ``pickle.load``."""
    return Unpickler(file, **how).load()
