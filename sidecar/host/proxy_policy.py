"""Which proxy a request goes through: the variables of proxies, and the system's settings where there are none.

Owns the meaning of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY for every client of this program. The decision is
pure; only `Proxies.of_this_machine` reads the environment.

There is no standard. The names, and lower case before upper case, are those of curl and Python; so is that a leading
dot in NO_PROXY means the domain with what is below it. Networks, ports and stars are what Go, Python's requests and
Windows take.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import NamedTuple, Self
from urllib.parse import urlsplit, urlunsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
"""Of addresses, and of proxies that name no port."""

_SEPARATORS = re.compile(r"[,;\s]+")


class ProxyInvalid(ValueError):
    """A proxy setting that cannot be used.

    Attributes:
        source: the variable it comes from.
        reason: what is wrong with it; the value itself may hold a password, and is not in it.
        hint: what to set in its place.
    """

    def __init__(self, source: str, reason: str, hint: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.reason, self.hint = source, reason, hint


class Proxy(NamedTuple):
    """A proxy that speaks HTTP.

    Attributes:
        url: its address, which may hold a name and a password: never shown.
        host: its host, without brackets.
        port: its port.
        source: where it comes from, such as HTTPS_PROXY.
    """

    url: str
    host: str
    port: int
    source: str

    @property
    def shown(self) -> str:
        """The proxy for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port} ({self.source})"


class Proxies(NamedTuple):
    """The settings of proxies.

    Attributes:
        by_scheme: `http`, `https` and `all`: the value, and where it comes from.
        excluded: the value of NO_PROXY.
        system_excludes: whether the system's own exceptions count, since its proxies are used.
    """

    by_scheme: Mapping[str, tuple[str, str]] = {}
    excluded: str = ""
    system_excludes: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The settings of an environment. Pure.

        Lower case wins over upper case, also to switch a proxy off with an empty value. HTTP_PROXY in upper case is
        ignored in CGI programs, where a client may set it with a header (CVE-2016-1000110).
        """
        found: dict[str, tuple[str, str]] = {}
        for scheme in ("http", "https", "all"):
            for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
                if name == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
                    continue
                if (value := environ.get(name)) is not None:
                    if value.strip():
                        found[scheme] = (value.strip(), name)
                    break
        return cls(found, environ.get("no_proxy", environ.get("NO_PROXY", "")))

    @classmethod
    def of_this_machine(cls) -> Self:
        """The settings of the environment, or else those of Windows or macOS (untested there)."""
        found = cls.of(os.environ)
        if not found.by_scheme and (sys.platform == "win32" or sys.platform == "darwin"):
            from urllib.request import getproxies  # late, since it imports an HTTP client

            system = {
                scheme: (value, "the system's settings")
                for scheme, value in getproxies().items()
                if scheme in ("http", "https") and value
            }
            return cls(system, found.excluded, system_excludes=bool(system))
        return found

    def proxy_for(self, scheme: str, host: str, port: int | None = None) -> Proxy | None:
        """The proxy for an address; `None` if it is connected to directly.

        Args:
            scheme: `http` or `https`.
            host: a name or an IP address.
            port: default: the scheme's.

        Raises:
            ProxyInvalid: the setting cannot be used.
        """
        setting = self.by_scheme.get(scheme) or self.by_scheme.get("all")
        if setting is None or is_excluded(host, port or DEFAULT_PORTS.get(scheme), self.excluded):
            return None
        if self.system_excludes and _system_excludes(host):
            return None
        return parse_proxy(*setting)


def parse_proxy(value: str, source: str) -> Proxy:
    """A proxy given as `http://…`, `https://…` or `host:port`. Pure.

    Args:
        value: the setting.
        source: where it comes from, for messages.

    Raises:
        ProxyInvalid: it cannot be used.
    """
    example = f"Set {source} to the address of an HTTP proxy, such as http://proxy.example:3128, or unset it."
    value = value.strip()
    if not value.isascii() or not value.isprintable() or set(" \"'<>\\^`{|}") & set(value):
        raise ProxyInvalid(source, "there is a blank, a quote or another invalid character in the address", example)
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ProxyInvalid(source, "this is not an address", example) from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ProxyInvalid(
            source,
            f"proxies of the kind {parts.scheme}:// are not supported, only http:// and https://",
            f"Most proxy programs have an HTTP port, too: set {source} to it, such as http://127.0.0.1:7890.",
        )
    if not host:
        raise ProxyInvalid(source, "the address has no host", example)
    port = port or DEFAULT_PORTS[parts.scheme]
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    shown_host = f"[{host}]" if ":" in host else host
    return Proxy(urlunsplit((parts.scheme, f"{login}{shown_host}:{port}", "", "", "")), host, port, source)


def is_excluded(host: str, port: int | None, excluded: str) -> bool:
    """Whether NO_PROXY has an entry for a host. Pure. Entries that cannot be understood are ignored.

    Args:
        host: a name or an IP address.
        port: of the request.
        excluded: entries separated by commas or blanks: `*`, a name with all names below it (`corp`, `.corp`,
            `*.corp`), a name with stars, an address, a network (`10.0.0.0/8`), `<local>` for names without a dot; each
            may end with a port.
    """
    name = host.lower().strip("[]").rstrip(".")
    return any(_matches(name, port, entry.lower()) for entry in _SEPARATORS.split(excluded) if entry)


def _matches(host: str, port: int | None, entry: str) -> bool:
    if "://" in entry:
        entry = entry.partition("://")[2].partition("/")[0]
    if entry == "*":
        return True
    if entry == "<local>":
        return "." not in host and ":" not in host
    if "/" in entry:
        return _is_in_network(host, entry)
    pattern, only_port = _split_port(entry)
    if only_port is not None and only_port != port:
        return False
    pattern = pattern.rstrip(".")
    pattern = pattern.removeprefix("*") if pattern.startswith("*.") else pattern
    if "*" in pattern:
        return fnmatchcase(host, pattern.replace("[", "[[]").replace("?", "[?]"))
    pattern = pattern.lstrip(".")
    if not pattern:
        return False
    try:
        return ip_address(host) == ip_address(pattern)
    except ValueError:
        return host == pattern or (host.endswith(f".{pattern}") and not _is_address(host))


def _split_port(entry: str) -> tuple[str, int | None]:
    """An entry without its port, and the port; `::1` has none."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?", entry)
    if bracketed:
        return bracketed[1], int(bracketed[2]) if bracketed[2] else None
    name, colon, port = entry.rpartition(":")
    if colon and ":" not in name and port.isdecimal():
        return name, int(port)
    return entry, None


def _is_in_network(host: str, entry: str) -> bool:
    try:
        return ip_address(host) in ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except (ValueError, TypeError):
        return False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _system_excludes(host: str) -> bool:
    from urllib.request import proxy_bypass

    return bool(proxy_bypass(host))
