"""The command line: options in, one function of the library, an exit code out. One file per verb.

A verb imports its room when it runs: ``--help`` loads no torch.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from cyclopts import App, UnknownCommandError

from dinoseg.cli.arguments import DEFAULTS, QUIET, Quiet, Tokens
from dinoseg.cli.console import hush, safe_streams
from dinoseg.cli.exits import DONE, exit_code
from dinoseg.version import __version__

VERBS = (
    "segment",
    "attend",
    "match",
    "features",
    "track",
    "group",
    "merge",
    "train",
    "compress",
    "train-head",
    "export",
    "evaluate",
    "compare",
    "app",
    "methods",
    "models",
    "samples",
    "doctor",
)

program = App(
    name="dinoseg",
    help="""Unsupervised segmentation with DINO attention: photographs in, masks out, no labels.

First steps: `dinoseg samples photos`, then `dinoseg segment photos -o out`.""",
    help_format="plaintext",
    version=__version__,
    default_parameter=DEFAULTS,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for position, verb in enumerate(VERBS):
    name = verb.replace("-", "_")
    program.command(getattr(import_module(f"dinoseg.cli.{name}"), name))
    program[verb].sort_key = position


program.meta.suppress_keyboard_interrupt = False


@program.meta.default
def launch(*tokens: Tokens, quiet: Quiet = False) -> int | None:
    """What every verb understands, and then the verb."""
    hush(quiet)
    code: int | None = program(tokens, exit_on_error=False, print_error=False)
    return code


def refuse_unknown(arguments: Sequence[str]) -> None:
    """Raise for a word where a command has to stand: with --help cyclopts would show that of what is before it."""
    chain, apps, rest = program.parse_commands([word for word in arguments if word not in QUIET])
    words = [word for word in rest if not word.startswith("-")]
    if words and any(not name.startswith("-") for name in apps[-1]):
        raise UnknownCommandError(unused_tokens=words, app=apps[-1], command_chain=chain, verbose=False)


def main() -> None:
    """Entry point of the ``dinoseg`` command. A scheduler's SIGTERM ends a run as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    safe_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code (see ``exits``)."""
    arguments = ["./-" if word == "-" else word for word in arguments]  # the parser takes a - alone for an option
    try:
        refuse_unknown(arguments)
        code: int | None = program.meta(arguments, exit_on_error=False, print_error=False)
        print(end="", flush=True)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        return exit_code(error)
    return code or DONE
