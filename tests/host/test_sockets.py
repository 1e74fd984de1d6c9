"""Whose connection it is: asked of this machine's kernel, and of a table of another one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sidecar.host import sockets

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0000000000000000
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0000000000000000
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  {uid}        0 13 1 0000000000000000
"""
OURS, PEER = ("127.0.0.1", 8080), ("127.0.0.1", 40000)


def test_the_kernel_tells_whose_connection_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, peer = server.accept()
        with accepted:
            assert client.getsockname() == peer
            assert sockets.user_of(peer, accepted.getsockname()) == os.geteuid()
            assert not sockets.is_other_user(peer, accepted.getsockname())


@pytest.mark.parametrize(("uid", "stranger"), [(1000, False), (0, False), (1001, True), (65534, True)])
def test_only_the_same_user_and_root_are_no_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, stranger: bool
) -> None:
    (tmp_path / "tcp").write_text(TABLE.format(uid=uid))
    monkeypatch.setattr(sockets, "TABLE", tmp_path / "tcp")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert sockets.user_of(PEER, OURS) == uid
    assert sockets.is_other_user(PEER, OURS) is stranger


def test_nobody_is_a_stranger_where_the_system_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not sockets.is_other_user(("127.0.0.1", 1), ("127.0.0.1", 2))
    monkeypatch.setattr(sockets, "TABLE", tmp_path / "none")
    assert not sockets.is_other_user(PEER, OURS)
