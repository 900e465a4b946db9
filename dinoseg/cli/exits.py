"""How a run ends: what an exception means to the shell, and the words for the person in front of it."""

from __future__ import annotations

import os
import traceback

from cyclopts import CycloptsError, MissingArgumentError

from dinoseg.cli.console import say
from dinoseg.errors import DinosegError, OtherProcessEnded, UsageError

DONE = 0
DEFECT = 1
"""A defect of ours, or a machine that gave up (disk full)."""
USAGE = 2
"""Wrong use or configuration; nothing was touched."""
SOME_FAILED = 3
NOTHING_DONE = 4
"""No result: no input could be used, or training could not go on (what it saved before is kept)."""
INTERRUPTED = 130
BROKEN_PIPE = 141
"""Who read our output went away; what a shell shows for SIGPIPE."""

KEPT = "What was finished is kept: the same command goes on (train and compress with --resume, evaluate with --output)."
DEBUG = "DINOSEG_DEBUG"


def exit_code(error: BaseException) -> int:
    """Say on stderr what ``error`` means and return its exit code; DINOSEG_DEBUG=1 adds the traceback."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    match error:
        case KeyboardInterrupt():
            say(f"Interrupted. {KEPT}")
            return INTERRUPTED
        case BrokenPipeError() | SystemExit():  # rich exits so when it prints help
            return BROKEN_PIPE
        case CycloptsError():
            say(f"dinoseg: {wrong_words(error)} See `{' '.join(('dinoseg', *(error.command_chain or ())))} --help`.")
            return USAGE
        case UsageError():
            say(f"dinoseg: {error}")
            return USAGE
        case OtherProcessEnded():
            return NOTHING_DONE
        case DinosegError():
            say(f"dinoseg: {error}")
            return NOTHING_DONE
        case OSError():
            say(f"dinoseg: {error}. {KEPT}")
            return DEFECT
    say(
        f"dinoseg: {type(error).__name__}: {error}. This is a defect of dinoseg: please report it with the command, "
        f"the output of `dinoseg doctor` and the traceback that {DEBUG}=1 shows."
    )
    return DEFECT


def wrong_words(error: CycloptsError) -> str:
    """Cyclopts' own words, but what was not given at all "is missing"; a bare option lacks its value."""
    if isinstance(error, MissingArgumentError) and error.keyword is None:
        return str(error).replace("requires an argument", "is missing")
    return str(error)


def of_counts(done: int, failed: int) -> int:
    """The exit code of a run over many inputs of which ``done`` have a result (now or from before)."""
    if not done:
        return NOTHING_DONE
    return SOME_FAILED if failed else DONE
