"""Which certificates this machine trusts, for the search and the downloads alike.

Owns where root certificates come from: the config's `downloads.ca_file` beside the system's, or those of
SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE in place of the system's, as the programs do to which
these variables belong. Everything here blocks on the disk.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sidecar.contract.errors import DownloadFailed, PathNotAllowed
from sidecar.contract.remedies import open_settings
from sidecar.host import path_policy
from sidecar.storage.config import ConfigFile

if TYPE_CHECKING:
    import ssl

CA_SETTING = "downloads.ca_file"

CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which they count: those of OpenSSL, of Python's requests, of curl."""

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the roots (Debian, Fedora, openSUSE, Alpine): the OpenSSL of a frozen program searches only
where it was built."""


class Roots(NamedTuple):
    """A file or folder of root certificates, and the setting that names it."""

    path: str
    source: str


def roots_of(environ: Mapping[str, str]) -> Roots | None:
    """The roots that an environment names in place of the system's. Pure."""
    for name in CA_VARIABLES:
        if value := environ.get(name, "").strip():
            return Roots(value, name)
    return None


class Trust:
    """Makes the contexts for TLS. Safe to use from several threads.

    Args:
        config: read at each use.
    """

    def __init__(self, config: ConfigFile) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._made: tuple[object, ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """The context for the present settings; made again when they, or their files, have changed.

        Raises:
            DownloadFailed: a setting names no readable certificates.
        """
        configured = self._config.config.downloads.ca_file
        added = Roots(configured, CA_SETTING) if configured else None
        replacing = roots_of(os.environ)
        key = tuple((one, _changed_at(one)) for one in (replacing, added) if one)
        with self._lock:
            if self._made is None or self._made[0] != key:
                self._made = key, _context(replacing, added)
            return self._made[1]


def _context(replacing: Roots | None, added: Roots | None) -> ssl.SSLContext:
    import ssl  # takes 10 ms, and a start needs no network

    if replacing is None:
        context = _system_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load(context, replacing)
    if added is not None:
        _load(context, added)
    if hasattr(ssl, "VERIFY_X509_STRICT"):
        # Python 3.13 made it the default; the certificates of many companies lack the extensions that it demands.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if hasattr(ssl, "VERIFY_X509_PARTIAL_CHAIN"):
        # Companies hand out the certificate that signs rather than the root above it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _system_context() -> ssl.SSLContext:
    import ssl

    if sys.platform == "win32" or sys.platform == "darwin":
        # Untested there. Their own verification knows what a company has installed.
        try:
            import truststore
        except ImportError:
            return ssl.create_default_context()
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.create_default_context()
        if not any(ssl.get_default_verify_paths()[:2]):
            for bundle in SYSTEM_BUNDLES:
                if Path(bundle).is_file():
                    context.load_verify_locations(cafile=bundle)
                    break
        return context


def _load(context: ssl.SSLContext, roots: Roots) -> None:
    import ssl

    try:
        path = path_policy.from_here(roots.path)
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError, PathNotAllowed) as error:  # ssl.SSLError is an OSError
        why = "there is no certificate in it" if isinstance(error, ssl.SSLError) else _in_words(error)
        raise DownloadFailed(
            f"{roots.source} names {roots.path}, which cannot be used for certificates: {why}.",
            hint=f"Set {roots.source} to a file of root certificates in PEM form, or unset it.",
            remedies=(open_settings(CA_SETTING),),
            network_cause="certificate",
        ) from None


def _in_words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or "it is not the path of a file"


def _changed_at(roots: Roots) -> int | None:
    try:
        return path_policy.from_here(roots.path).stat().st_mtime_ns
    except (OSError, ValueError, PathNotAllowed):
        return None
