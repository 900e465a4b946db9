"""``dinoseg app``: a page in the browser, of this machine alone."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Annotated

from dinoseg.cli.arguments import MODEL, OUTPUT
from dinoseg.cli.console import inform, tell
from dinoseg.options import AppOptions, ModelOptions


def app(
    *,
    options: Annotated[AppOptions | None, OUTPUT] = None,
    model: Annotated[ModelOptions | None, MODEL] = None,
) -> None:
    """Masks, attention and features of a photograph at a click: a page at 127.0.0.1, until Ctrl-C.

    Nothing leaves this machine and nothing is kept. It needs `pip install 'gradio>=6.31'`.
    """
    options, model = options or AppOptions(), model or ModelOptions()
    from dinoseg.cli.before import before_app

    before_app(model)
    from dinoseg.app.page import serving

    with serving(model, options) as address:
        ended = threading.Event()
        for name in (signal.SIGINT, signal.SIGTERM):  # an exception could be lost in a callback of the server
            signal.signal(name, lambda *_: ended.set())
        inform("Open this in a browser; Ctrl-C ends it.")
        tell(address)
        sys.stdout.flush()  # whoever reads it from a pipe waits for it
        ended.wait()
