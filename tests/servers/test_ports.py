"""Whether a port can be listened on."""

from __future__ import annotations

import socket

import pytest

from sidecar.contract.errors import SidecarError
from sidecar.servers.start_planner import check_port
from tests.held_port import held_port


def test_a_free_port_and_any_port_are_fine() -> None:
    with held_port() as port:
        for host in ("127.0.0.1", "localhost", "::1"):
            assert check_port(host, port) is check_port(host, 0) is True
    for host in ("0.0.0.0", "0", "::"):  # noqa: S104 - bound for a moment, never listened on
        assert check_port(host, 0) is False  # other machines reach it


def test_a_port_that_was_just_given_up_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first keeps the port for a minute, in TIME_WAIT
    check_port("127.0.0.1", port)


def test_a_port_that_somebody_listens_on_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SidecarError) as caught:
            check_port("127.0.0.1", port)
    assert (caught.value.name, caught.value.data, bool(caught.value.hint)) == ("PORT_IN_USE", {"port": port}, True)


def assert_refused(host: str) -> None:
    with pytest.raises(SidecarError) as caught:
        check_port(host, 0)
    assert (caught.value.name, caught.value.data) == ("INVALID_PARAMS", {"path": "$.host"})


@pytest.mark.parametrize(
    "host", ["203.0.113.1", "2001:db8::1", "x" * 300, "a\0b", "\ud800", "/x.sock", "127.0.0.1,::1"]
)
def test_an_address_of_elsewhere_is_refused(host: str) -> None:
    assert_refused(host)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("bind", socket.gaierror(-2, "Name or service not known")),
        ("__init__", OSError(97, "Address family not supported by protocol")),
    ],
)
def test_what_the_system_does_not_understand_is_refused(
    function: str, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket.socket, function, refuse)
    assert_refused("::1")


def test_a_port_for_the_system_only_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(SidecarError) as caught:
        check_port("127.0.0.1", 80)
    assert caught.value.name == "PERMISSION_DENIED"
