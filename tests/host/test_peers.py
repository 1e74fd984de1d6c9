"""Whose connection it is: asked of this machine's kernel, and of answers and tables of another one."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest

from sidecar.host import peers
from sidecar.host.peers import Peers, in_table, is_ours
from sidecar.host.sock_diag import ANYWHERE, ESTABLISHED, SocketFacts, answer, question

pytestmark = pytest.mark.anyio

OURS, PEER = ("127.0.0.1", 8080), ("127.0.0.1", 40000)
ME = os.geteuid()

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0000000000000000
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0000000000000000
   2: 0100007F:9C40 0100007F:1F90 {state} 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 000000
"""


@pytest.mark.parametrize("by_table", [False, True])
async def test_the_kernel_reports_whose_a_connection_is(by_table: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if by_table:
        monkeypatch.setattr(peers, "_diagnosis_for", lambda listener: None)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        asked = Peers(server)
        accepted, peer = server.accept()
        with accepted:
            assert client.getsockname() == peer
            assert await asked.is_same_user(peer, accepted.getsockname())
            assert not await asked.is_same_user(accepted.getsockname(), ("127.0.0.1", 1))
            client.close()  # its end is still in the kernel's table, as root's and without an inode
            assert not await asked.is_same_user(peer, accepted.getsockname())
        asked.close()


@pytest.mark.case(41)
async def test_a_kernel_that_does_not_answer_refuses_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_diagnosis_for", lambda listener: None)
    for content in (None, "", "one line\nand one that is no row of the table"):
        monkeypatch.setattr(peers, "TABLE", tmp_path / "tcp")
        if content is not None:
            (tmp_path / "tcp").write_text(content)
        with socket.create_server(("127.0.0.1", 0)) as server:
            assert not await Peers(server).is_same_user(PEER, OURS)


@pytest.mark.case(41)
def test_only_a_socket_in_use_by_our_own_user_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cases = {
        "ours": (ESTABLISHED, 1000, 13, True),
        "another user's": (ESTABLISHED, 1001, 13, False),
        "root's": (ESTABLISHED, 0, 13, False),
        "closed by its program": (ESTABLISHED, 0, 0, False),
        "of nobody any more": (ESTABLISHED, 1000, 0, False),
        "half closed": (5, 1000, 13, False),
        "listening": (10, 1000, 13, False),
    }
    for name, (state, user, inode, right) in cases.items():
        assert is_ours(SocketFacts(state, user, inode)) is right, name
        row = in_table(TABLE.format(state=f"{state:02X}", uid=user, inode=inode), PEER, OURS)
        assert row == SocketFacts(state, user, inode), name
    assert not is_ours(None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert is_ours(SocketFacts(ESTABLISHED, 0, 13))  # we are root
    assert not is_ours(SocketFacts(ESTABLISHED, 0, 0))


def described(
    *, state: int = 1, local: tuple[str, int] = PEER, remote: tuple[str, int] = OURS, kind: int = 20
) -> bytes:
    """What the kernel answers about a socket of user 1000 (`struct inet_diag_msg`)."""
    ends = struct.pack("!HH", local[1], remote[1])
    ends += socket.inet_aton(local[0]).ljust(16, b"\0") + socket.inet_aton(remote[0]).ljust(16, b"\0")
    body = (
        struct.pack("=BBBB", 2, state, 0, 0)
        + ends
        + struct.pack("=III", 0, 1, 2)
        + struct.pack("=5I", 0, 0, 0, 1000, 77)
    )
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 7, 0) + body


def test_an_answer_counts_only_for_the_socket_that_was_asked_for() -> None:
    asked = question(PEER, OURS, 7)
    assert (len(asked), struct.unpack_from("=IHHI", asked)) == (72, (72, 20, 1, 7))
    assert answer(described(), PEER, OURS, 7) == SocketFacts(1, 1000, 77)
    wrong = {
        "another question's": (described(), 8),
        "the listener instead": (described(state=10, local=PEER, remote=ANYWHERE), 7),
        "another port": (described(local=("127.0.0.1", 40001)), 7),
        "another host": (described(remote=("127.0.0.2", 8080)), 7),
        "an error": (described(kind=2), 7),
        "cut off": (described()[:60], 7),
        "empty": (b"", 7),
    }
    for name, (data, number) in wrong.items():
        assert answer(data, PEER, OURS, number) is None, name
