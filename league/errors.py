"""How a command ends: a user error is reported in one line, without a traceback."""

import math
import os
import select
import sys
from collections.abc import Callable
from typing import TextIO

from league import threads

PIPE_CLOSED = 141  # the exit code of a command whose reader has left, as a shell counts it
MOST_LETTERS = 200  # of a foreign text in a line of ours


def printable(text: str, most: float = MOST_LETTERS) -> str:
    """Return a foreign text, or its beginning, as something to print: no control characters, nothing that turns it."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= most else text[: int(most) - 1] + "…"


class UserError(Exception):
    """Something that the user can put right; the message names it and the remedy."""

    def __str__(self) -> str:
        # Names and values stand in it as somebody typed them, escape sequences and all.
        return printable(super().__str__(), math.inf)


class Diverged(UserError):
    """A stage whose loss exploded."""


class TooSlow(UserError):
    """A trial that cannot end within its time."""


class OutOfMemory(UserError):
    """A model that does not fit."""


class TooFew(UserError):
    """Rows, or words in them, that do not suffice for what is asked."""


class NotAtHand(UserError):
    """Something that a proof needs and this machine lacks, which says nothing about the entry."""


class Interrupted(Exception):
    """The user asked to stop, and all is saved; the message says what, and how to resume."""


def run_command(main: Callable[[], None]) -> None:
    """Run a script's `main` and turn its outcome into an exit code: 0 done, 2 a user error, 130 interrupted."""
    threads.settle()
    try:
        main()
    except OutOfMemory as error:  # which another process of the same command may not have
        leave(f"error: {error}", 2, is_own=True)
    except UserError as error:
        leave(f"error: {error}", 2)
    except Interrupted as stop:
        leave(str(stop), 130)
    except BrokenPipeError:
        if not is_unread(sys.stdout):
            raise
        # What is still in the buffer would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        leave("Interrupted; the same command resumes from what was saved last.", 130)


def is_unread(stream: TextIO) -> bool:
    """Tell whether nobody reads any more what is printed, as with `| head`."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def leave(message: str, code: int, is_own: bool = False) -> None:
    """End the process; of several processes only the first one prints, unless it is something of their own."""
    if is_own or os.environ.get("RANK", "0") == "0":
        print(" ".join(message.split()), file=sys.stderr)
    sys.exit(code)
