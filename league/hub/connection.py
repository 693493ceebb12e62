"""The connection to the Hub: what fails in passing is retried, every error becomes one line, no token is shown."""

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

# huggingface_hub 2.4 retries large files, `preupload`, file trees and downloads by itself, but no creation of a
# repository or branch, no `repo_info` and no commit. What it has retried for so long already is not repeated.
RETRY_WITHIN = 30.0  # seconds
WAITS = (1, 3, 9)  # seconds before each retry
LONGEST_WAIT = 60  # seconds that a server may ask for
TRANSIENT = {408, 429, 500, 502, 503, 504}
CHANGED = {409, 412}  # somebody else has written to the repository meanwhile
TOKENS = r"hf_\w{8,}|(?<=Bearer )\S+|(?<=://)[^/@\s]+(?=@)|(?<=[?&])X-Amz-[^\s'\"]+"
REASONS = {
    401: "the Hub does not know this login: `hf auth login`, or set HF_TOKEN",
    403: "this login may not do that there: it needs a token that may write",
    404: "there is no such repository, file or revision, or this login may not see it",
    413: "the Hub takes no files of this size",
    429: "the Hub asks for fewer requests: try again in some minutes",
}
Result = TypeVar("Result")


def with_retries(action: Callable[[], Result], also: set[int] | None = None) -> Result:
    """Do something on the Hub, again where the connection or the server fails; what has arrived there stays."""
    started = time.monotonic()
    for wait in (*WAITS, None):
        try:
            return action()
        except Exception as error:
            may_pass = is_transient(error) or status_of(error) in (also or ())
            is_late = time.monotonic() - started > RETRY_WITHIN
            seconds = max(wait or 0, _requested_wait(error))
            if wait is None or is_late or seconds > LONGEST_WAIT or not may_pass:
                raise
            print(f"{_reason(error)}; trying again in {seconds:g} s", file=sys.stderr)
            time.sleep(seconds)
    raise AssertionError("unreachable")


def _causes(error: BaseException | None):
    while error is not None:
        yield error
        error = error.__cause__


def _response(error: Exception):
    responses = (getattr(cause, "response", None) for cause in _causes(error))
    return next((response for response in responses if response is not None), None)


def status_of(error: Exception) -> int | None:
    response = _response(error)
    return None if response is None else response.status_code


def _requested_wait(error: Exception) -> int:
    response = _response(error)
    seconds = "" if response is None else response.headers.get("Retry-After", "")
    return int(seconds) if seconds.isdecimal() else 0


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

    status = status_of(error)
    if isinstance(error, GatedRepoError):
        reason = "it is gated: ask for access on its page"
    elif isinstance(error, RepositoryNotFoundError):
        reason = "there is no such repository, or it is private and this login may not see it (`hf auth login`)"
    elif is_offline(error):
        reason = "HF_HUB_OFFLINE is set"
    elif _lacks_xet(error):
        reason = "this server has no Xet storage: set HF_HUB_DISABLE_XET=1"
    elif status is None and is_transient(error):
        reason = "no connection to the Hub"
    else:
        reason = REASONS.get(status, "")
    # Hidden before the text is cut: half a token would not be recognised.
    text = without_token(" ".join(f"{type(error).__name__}: {error}".split()))
    return f"{reason} ({text[:200]})" if reason else text[:300]


def without_token(text: str) -> str:
    """Return a text without the token, which a server may have sent back."""
    from huggingface_hub import get_token

    for secret in filter(None, (get_token(), os.environ.get("HF_TOKEN", "").strip())):
        text = text.replace(secret, "***")
    return re.sub(TOKENS, "***", text)


class _HideToken(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args, record.exc_info = without_token(record.getMessage()), (), None
        return True


@contextmanager
def errors_in_one_line(what: str):
    """Turn whatever fails inside into one line; neither it nor what the client logs meanwhile shows the token."""
    import huggingface_hub  # noqa: F401  it gives its logger a handler

    handlers, hiding = logging.getLogger("huggingface_hub").handlers, _HideToken()
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
