"""What runs a network: PyTorch, or OpenVINO for an exported one, which needs no PyTorch and is faster on a CPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dinoseg.backbone.names import BUILTIN, EXPORTED, builtin_graph, find_weights
from dinoseg.backbone.processor import precision
from dinoseg.errors import DeviceError, OptionError, WeightsNotFound

if TYPE_CHECKING:
    from dinoseg.backbone.spec import Network
    from dinoseg.options import ModelOptions


def load_network(options: ModelOptions) -> Network:
    """The network that ``options`` name, ready to encode. Raises ``WeightsError``, ``DeviceError`` or ``OptionError``.

    ``runtime="auto"`` runs an exported network in OpenVINO; the built-in too, where OpenVINO is installed, the
    processor is one on which it is faster and there is no GPU. All else is PyTorch's.
    """
    graph = graph_of(options)
    if graph is not None:
        from dinoseg.backbone.graph import load_graph

        return load_graph(graph, options)
    from dinoseg.backbone.zoo import load_backbone

    return load_backbone(options)


def graph_of(options: ModelOptions) -> Path | None:
    """The exported network that will run, or None for PyTorch. Raises what ``load_network`` does."""
    exported = options.model.endswith(EXPORTED)
    if options.runtime == "torch":
        if exported:
            raise OptionError(f"--runtime torch: {options.model} is an exported network; name its weights.")
        return None
    if exported or options.runtime == "openvino":
        check_openvino(options)
        return find_weights(options.model, offline=options.offline) if exported else there(builtin_graph())
    usable = options.model == BUILTIN and options.heads is None and builtin_graph().is_file()
    on_cpu = options.device == "cpu" or (options.device == "auto" and not gpu())
    return builtin_graph() if usable and on_cpu and installed() and precision() else None


def there(graph: Path) -> Path:
    """The graph of the built-in. Raises ``WeightsNotFound`` where the package lacks it."""
    if not graph.is_file():
        raise WeightsNotFound(f"{graph} is not there: the installation is broken, install dinoseg again.")
    return graph


def check_openvino(options: ModelOptions) -> None:
    """Raise for what OpenVINO cannot do."""
    if options.model != BUILTIN and not options.model.endswith(EXPORTED):
        raise OptionError(
            f"--runtime openvino: {options.model} is not exported; `dinoseg export {options.model} FILE{EXPORTED}` "
            "does it, then name the file with --model."
        )
    if options.heads is not None:
        raise OptionError(f"--heads {options.heads}: an exported network says it itself; leave it out.")
    if options.device not in ("auto", "cpu"):
        raise DeviceError(f"--device {options.device}: an exported network runs on the CPU; use --runtime torch.")
    if not installed():
        raise OptionError("OpenVINO is not installed: `pip install openvino`, or use --runtime torch.")


def installed() -> bool:
    """Whether OpenVINO is here; it is not loaded for the answer."""
    return importlib.util.find_spec("openvino") is not None


def gpu() -> bool:
    """Whether PyTorch may find a GPU here; by the system's devices, since to load PyTorch takes seconds."""
    if sys.platform == "darwin":
        return True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(any(Path("/dev").glob(name)) for name in ("nvidia[0-9]*", "kfd", "dxg"))
