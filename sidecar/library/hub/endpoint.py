"""The hub's address.

Pure. Owns where it comes from, and what is an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sidecar.library.network.failures import address_failure, is_address_text

PUBLIC_HUB = "https://huggingface.co"

ENDPOINT_VARIABLE = "HF_ENDPOINT"


def hub_address(configured: str | None, environ: Mapping[str, str]) -> str:
    """The hub's address, without a trailing slash. Pure.

    Args:
        configured: the config's `downloads.hub_endpoint`.
        environ: the environment.

    Raises:
        DownloadFailed: the setting is not an address.
    """
    source = "downloads.hub_endpoint" if configured else ENDPOINT_VARIABLE
    text = (configured or environ.get(ENDPOINT_VARIABLE) or "").strip().rstrip("/")
    if not text:
        return PUBLIC_HUB
    shown = f"{source} is not the address of a hub: {text[:200]!r}"
    example = f"Set {source} to an address such as {PUBLIC_HUB}, or leave it out."
    if not is_address_text(text):
        raise address_failure(f"{shown} has a blank or another invalid character", example)
    if "://" not in text:
        raise address_failure(f"{shown} has no scheme", f"Set {source} to https://{text}.")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        if not usable or parts.query or parts.fragment:
            raise ValueError
        (parts.hostname or "").encode("idna")  # as the library does before it connects
    except ValueError:
        raise address_failure(shown, example) from None
    return text
