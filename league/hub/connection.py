"""The line to the Hub: what fails in passing is tried again, what fails is told in one line, and no token shows."""

import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from typing import TypeVar

from league.errors import UserError

WAITS = (1, 3, 9)  # seconds before another try; the client itself tries most requests several times
LONGEST_WAIT = 60  # that a server may ask for
PATIENCE = 30  # seconds; what fails later was tried enough
TRANSIENT = {408, 429, 500, 502, 503, 504}
TOKENS = r"hf_\w{8,}|(?<=Bearer )\S+|(?<=://)[^/@\s]+(?=@)|(?<=[?&])X-Amz-[^\s'\"]+"
REASONS = {
    401: "the Hub does not know this login: `hf auth login`, or set HF_TOKEN",
    403: "this login may not do that there: it needs a token that may write",
    404: "there is no such repository, file or revision, or this login may not see it",
    413: "the Hub takes no files of this size",
    429: "the Hub asks for fewer requests: try again in some minutes",
}
Result = TypeVar("Result")


def persist(action: Callable[[], Result]) -> Result:
    """Do something on the Hub, and do it again where the connection or the server fails: what arrived stays there."""
    started = time.monotonic()
    for wait in (*WAITS, None):
        try:
            return action()
        except Exception as error:
            is_late = time.monotonic() - started > PATIENCE
            if wait is None or is_late or not is_transient(error):
                raise
            wait = max(wait, _asked_wait(error))
            if wait > LONGEST_WAIT:
                raise
            print(f"{_reason(error)}; trying again in {wait:g} s", file=sys.stderr)
            time.sleep(wait)
    raise AssertionError("unreachable")


def _causes(error: BaseException | None):
    while error is not None:
        yield error
        error = error.__cause__


def status_of(error: Exception) -> int | None:
    answers = [getattr(cause, "response", None) for cause in _causes(error)]
    return next((answer.status_code for answer in answers if answer is not None), None)


def _asked_wait(error: Exception) -> int:
    answers = [getattr(cause, "response", None) for cause in _causes(error)]
    asked = next((answer.headers.get("Retry-After", "") for answer in answers if answer is not None), "")
    return int(asked) if asked.isdecimal() else 0


def is_transient(error: Exception) -> bool:
    import httpx2

    status = status_of(error)
    if status is not None:
        return status in TRANSIENT
    kinds = (httpx2.TransportError, ConnectionError, TimeoutError)
    return any(isinstance(cause, kinds) for cause in _causes(error)) and not _lacks_xet(error)


def _lacks_xet(error: Exception) -> bool:
    # The client's Xet library calls a refusal a lost connection, too.
    return re.search(r"client error \(404.*/xet-write-token/", str(error), re.DOTALL) is not None


def is_offline(error: Exception) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    return any(isinstance(cause, OfflineModeIsEnabled) for cause in _causes(error))


def _reason(error: Exception) -> str:
    """Return in one line, without the token, why something failed."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    status, first = status_of(error), next(iter(_causes(error)))
    if isinstance(first, GatedRepoError):
        known = "it is gated: ask for access on its page"
    elif isinstance(first, RepositoryNotFoundError):
        known = "there is no such repository, or it is private and this login may not see it (`hf auth login`)"
    elif is_offline(error):
        known = "HF_HUB_OFFLINE is set"
    elif _lacks_xet(error):
        known = "this server has no Xet storage: set HF_HUB_DISABLE_XET=1"
    elif status is None and is_transient(error):
        known = "no connection to the Hub"
    else:
        known = REASONS.get(status, "")
    said = hide(" ".join(f"{type(error).__name__}: {error}".split()))  # before it is cut, and the token with it
    return f"{known} ({said[:200]})" if known else said[:300]


def hide(text: str) -> str:
    """Return a text without the token, which a server may have sent back in it."""
    from huggingface_hub import get_token

    for secret in filter(None, (get_token(), os.environ.get("HF_TOKEN", "").strip())):
        text = text.replace(secret, "***")
    return re.sub(TOKENS, "***", text)


class _Hiding(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args, record.exc_info = hide(record.getMessage()), (), None
        return True


@contextmanager
def told(what: str):
    """Turn whatever fails inside into one line; neither it nor what the client says meanwhile shows the token."""
    import huggingface_hub  # noqa: F401  it gives its logger a handler

    handlers, hiding = logging.getLogger("huggingface_hub").handlers, _Hiding()
    for handler in handlers:
        handler.addFilter(hiding)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a server's words
            yield
    except UserError as error:
        raise UserError(f"{what}: {error}") from None
    except Exception as error:
        raise UserError(f"{what}: {_reason(error)}") from None
    finally:
        for handler in handlers:
            handler.removeFilter(hiding)
