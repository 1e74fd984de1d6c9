"""What the hub's refusals and the library's exceptions mean.

Owns the errors for hosts of requests to the hub. A refused token is named by the place where it was found.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sidecar.contract.errors import DownloadFailed, HubAccessDenied, ModelNotFound, SidecarError
from sidecar.contract.remedies import RETRY, call
from sidecar.library.hub.client import Busy, Unreachable, http_library
from sidecar.library.network.failures import PROXY_NEEDS_LOGIN, Route, address_failure, refused_by_proxy
from sidecar.library.network.rate_limits import TOO_MANY_REQUESTS, in_words

_PROXY_STATUS = re.compile(r"(\d{3})\b")


def access_denied(repo: str, *, gated: bool) -> HubAccessDenied:
    """The error of a repository that needs the permission of its owner."""
    if gated:
        message = f"{repo} needs the permission of its owner, or the acceptance of its licence."
        hint = f"Request access on the page of {repo} in a browser, create a token there, and set it as HF_TOKEN."
    else:
        message = f"{repo} is private, or the hub rejects the token."
        hint = "Set HF_TOKEN to a token with read access, or log in with: hf auth login."
    return HubAccessDenied(message, hint=hint, repo=repo, gated=gated)


def refusal_in_words(source: str) -> str:
    """That a token was left out, for messages."""
    return f"The hub refuses the token of {source}, which may have expired; it was left out."


def without_token(problem: SidecarError, what: str, refused: list[str]) -> SidecarError:
    """The error of a request that was made without the token, since the hub refuses it."""
    if not isinstance(problem, ModelNotFound | HubAccessDenied):
        return problem
    sources = " and of ".join(refused)
    return HubAccessDenied(
        f"The hub refuses the token of {sources}, which may have expired. Without it {what} is not shown: it is "
        "private or gated, or does not exist.",
        hint=f"Create a new token on the hub's page and put it into {sources}, or remove it there.",
        repo=what,
        gated=bool(problem.data.get("gated", False)),
    )


def busy_error(busy: Busy, address: str) -> DownloadFailed:
    """The error of a hub that refuses for now."""
    limited = busy.status == TOO_MANY_REQUESTS
    data: dict[str, Any] = {} if busy.after_seconds is None else {"retry_after_seconds": busy.after_seconds}
    if limited:
        data["network_cause"] = "rate_limit"
    return DownloadFailed(
        f"{urlsplit(address).hostname} {'limits requests' if limited else 'is busy'} (HTTP {busy.status}): "
        f"{in_words(busy.after_seconds)}.",
        hint="Wait that long, and try again. With a token the hub allows more requests.",
        remedies=(RETRY,),
        http_status=busy.status,
        **data,
    )


def meaning_of(error: Exception, errors: Any, what: str, route: Route) -> SidecarError | None:
    """The error on the wire for an error of the library; `None` if it is a defect."""
    if isinstance(error, Unreachable) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == PROXY_NEEDS_LOGIN and route.proxy is not None:  # of a request without a tunnel
        return refused_by_proxy(route.proxy, route.host, status).error
    if isinstance(error, errors.GatedRepoError):
        return access_denied(what, gated=True)
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFound(f"{what} has no such revision.", hint="Leave revision out for the newest.")
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return ModelNotFound(
            f"There is no {what} on the hub, or it is private.",
            hint="Search the hub for models; for a private model, set HF_TOKEN to a token with read access.",
            remedies=(call("search_hub"),),
        )
    if isinstance(error, errors.OfflineModeIsEnabled):
        return DownloadFailed(
            "HF_HUB_OFFLINE forbids requests to the hub.", hint="Unset HF_HUB_OFFLINE, and start again."
        )
    if status in (401, 403):
        return access_denied(what, gated=False)
    if status is not None:
        return DownloadFailed(f"The hub does not answer for {what}: HTTP status {status}.", http_status=int(status))
    http = http_library()
    if isinstance(error, http.ProxyError):
        refusal = _PROXY_STATUS.match(str(error))
        return route.explain(error, proxy_status=int(refusal[1]) if refusal else None).error
    if isinstance(error, http.InvalidURL | UnicodeError) and not isinstance(error, UnicodeDecodeError):
        return address_failure(
            f"{route.host} cannot be asked: the hub's address, or {what!r}, is not valid",
            "Check HF_ENDPOINT, and the hub's address in the settings.",
        )
    if isinstance(error, http.HTTPError | OSError):
        return route.explain(error).error
    if type(error) is RuntimeError:
        # All requests share a client, which the library closes for all of them when one cannot connect.
        return DownloadFailed(f"{route.host} cannot be reached: another request has just lost its connection.")
    if isinstance(error, ValueError | TypeError | KeyError | AttributeError):
        return DownloadFailed(f"{route.host} sent an invalid response for {what} ({type(error).__name__}).")
    return None
