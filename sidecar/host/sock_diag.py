"""One TCP socket of this machine, asked of the Linux kernel by its two addresses (`sock_diag(7)`).

Owns the bytes of the question and of the answer. The kernel finds the socket in its hash table, so the cost does not
grow with the number of connections; /proc/net/tcp lists all of them, which takes a second where there are 14,000.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys

import msgspec

Address = tuple[str, int]

ESTABLISHED = 1
LISTENING = 10
"""States of a TCP socket (`TCP_ESTABLISHED`, `TCP_LISTEN` of include/net/tcp_states.h)."""

ANYWHERE: Address = ("0.0.0.0", 0)  # noqa: S104 - the other end of a socket that listens
"""The remote address of a listening socket."""

_BY_FAMILY, _REQUEST = 20, 1
"""`SOCK_DIAG_BY_FAMILY` and `NLM_F_REQUEST`."""

_NETLINK_SOCK_DIAG = 4
_ANY_COOKIE = 0xFFFFFFFF
"""`INET_DIAG_NOCOOKIE`: the socket is named by its addresses alone."""

_HEADER = struct.Struct("=IHHII")
"""`struct nlmsghdr`: length, type, flags, sequence number, sender."""

_QUESTION = struct.Struct("=BBBBI")
"""The beginning of `struct inet_diag_req_v2`: family, protocol, extensions, padding, states."""

_ENDS = struct.Struct("!HH4s12x4s12x")
"""The beginning of `struct inet_diag_sockid`: both ports and addresses, in network order."""

_REST_OF_ENDS = struct.Struct("=III")
"""Its end: the interface and the cookie."""

_FACTS = struct.Struct("=BBBB")
"""The beginning of `struct inet_diag_msg`: family, state, timer, retransmissions."""

_OWNER = struct.Struct("=IIIII")
"""Its end: expiry, both queues, the user, the inode."""

_ANSWER_BYTES = 8192
"""More than an answer about one socket has."""


class SocketFacts(msgspec.Struct, frozen=True):
    """What the kernel says of a socket.

    Attributes:
        state: such as `ESTABLISHED`.
        user: the user id of the program that holds it; 0 as well where none holds it any more.
        inode: 0 where no program holds it any more.
    """

    state: int
    user: int
    inode: int


def question(local: Address, remote: Address, number: int) -> bytes:
    """The request for the IPv4 socket with these ends."""
    body = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    body += _ENDS.pack(local[1], remote[1], socket.inet_aton(local[0]), socket.inet_aton(remote[0]))
    body += _REST_OF_ENDS.pack(0, _ANY_COOKIE, _ANY_COOKIE)
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, number, 0) + body


def answer(data: bytes, local: Address, remote: Address, number: int) -> SocketFacts | None:
    """The socket that an answer describes; `None` if there is none, or if it is another one than was asked for."""
    try:
        length, kind, _, sequence, _ = _HEADER.unpack_from(data)
        body = data[_HEADER.size : length]
        if (kind, sequence) != (_BY_FAMILY, number):
            return None
        _, state, _, _ = _FACTS.unpack_from(body)
        local_port, remote_port, local_host, remote_host = _ENDS.unpack_from(body, _FACTS.size)
        ends_size = _ENDS.size + _REST_OF_ENDS.size
        _, _, _, user, inode = _OWNER.unpack_from(body, _FACTS.size + ends_size)
    except struct.error:  # too short
        return None
    found = ((socket.inet_ntoa(local_host), local_port), (socket.inet_ntoa(remote_host), remote_port))
    # The kernel falls back to a socket that listens on the local address.
    return SocketFacts(state, user, inode) if found == (local, remote) else None


class SocketDiagnosis:
    """A netlink socket to ask with. Used by one thread.

    Raises:
        OSError: the system has none.
    """

    _socket: socket.socket
    _number: int

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        else:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
            )
            self._number = 0

    def find(self, local: Address, remote: Address) -> SocketFacts | None:
        """The socket with these ends; `None` if there is none. Takes some 20 µs.

        Raises:
            OSError: the kernel cannot be asked.
        """
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._socket.sendto(question(local, remote, self._number), (0, 0))
        while True:  # an answer that was late belongs to an earlier question
            # The kernel has answered before `sendto` returns; without an answer this raises, and does not wait.
            data = self._socket.recv(_ANSWER_BYTES)
            if len(data) >= _HEADER.size and _HEADER.unpack_from(data)[3] == self._number:
                return answer(data, local, remote, self._number)

    def close(self) -> None:
        """Ask nothing more."""
        self._socket.close()
