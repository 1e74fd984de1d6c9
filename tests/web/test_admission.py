"""Who is admitted, by rules alone."""

from __future__ import annotations

import pytest

from sidecar.transport.web import responses
from sidecar.transport.web.admission import MAX_KEYS, Admission, Exchange, Hello, Proof
from tests.web.browser import Key, packed

HOST = "127.0.0.1:8123"


def begin(admission: Admission, key: Key, purpose: str = "session", nonce: str = "n") -> tuple[Exchange, Proof] | None:
    """A page's first message; its right second one, if there was an answer that proves the same key."""
    began = admission.challenge(Hello(key.name, nonce, purpose))  # type: ignore[arg-type]
    if began is None:
        return None
    exchange, challenge = began
    assert challenge.proof == packed(key.derived("sidecar", HOST, nonce, challenge.nonce))
    return exchange, Proof(packed(key.derived("page", HOST, nonce, challenge.nonce)))


def enter(admission: Admission, key: Key, purpose: str = "session") -> Key | None:
    """The key that both sides have after a handshake; `None` where the page was refused."""
    began = begin(admission, key, purpose)
    if began is None or not admission.admit(*began):
        return None
    return Key.from_secret(key.derived(purpose, HOST, "n", began[0].nonce))


def test_a_link_admits_once_and_becomes_a_session_that_admits_again() -> None:
    admission = Admission(8123)
    link = Key.of(admission.new_link())
    session = enter(admission, link)
    assert session is not None
    assert enter(admission, link) is None
    assert [enter(admission, session) is not None for _ in range(3)] == [True] * 3


@pytest.mark.case(41)
def test_only_a_valid_proof_uses_a_link_up() -> None:
    admission = Admission(8123)
    link = Key.of(admission.new_link())
    for number in range(200):  # whoever knows the name, but not the key
        began = admission.challenge(Hello(link.name, str(number)))
        assert began is not None
        for guess in ("", "guess", "ü\udc80", began[1].proof):  # our own proof back, too
            assert not admission.admit(began[0], Proof(guess))
    first, second = begin(admission, link), begin(admission, link, nonce="m")
    assert first is not None
    assert second is not None
    assert admission.admit(*second)
    assert not admission.admit(*first)  # both were right, and it works once
    assert not admission.admit(*second)


@pytest.mark.case(41)
def test_a_proof_of_another_exchange_proves_nothing() -> None:
    admission = Admission(8123)
    session = enter(admission, Key.of(admission.new_link()))
    assert session is not None
    recorded, again = begin(admission, session), begin(admission, session)
    assert recorded is not None
    assert again is not None
    assert not admission.admit(again[0], recorded[1])


def test_a_session_makes_links_for_other_tabs_and_a_link_makes_none() -> None:
    admission = Admission(8123)
    link = Key.of(admission.new_link())
    assert enter(admission, link, "link") is None
    session = enter(admission, Key.of(admission.new_link()))
    assert session is not None
    other = enter(admission, session, "link")
    assert other is not None
    assert enter(admission, other) is not None
    assert enter(admission, other) is None


@pytest.mark.case(41)
def test_what_is_no_key_of_ours_gets_no_answer() -> None:
    admission, other = Admission(8123), Admission(8123)
    for hello in (
        Hello("", "n"),
        Hello("guess", "n"),
        Hello(Key.of(other.new_link()).name, "n"),  # the sidecar before this one, on the same port
        Hello(Key.of(admission.new_link()).name, ""),
        Hello(Key.of(admission.new_link()).name, "n" * 65),
    ):
        assert admission.challenge(hello) is None


def test_links_that_nobody_uses_do_not_pile_up() -> None:
    admission = Admission(8123)
    links = [Key.of(admission.new_link()) for _ in range(MAX_KEYS + 1)]
    assert enter(admission, links[0]) is None
    assert enter(admission, links[1]) is not None


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8123", True),
        ("localhost:8123", False),
        ("127.0.0.1", False),
        ("127.0.0.1:8124", False),
        ("localhost.:8123", False),
        ("x.localhost:8123", False),
        ("[::1]:8123", False),
        ("0.0.0.0:8123", False),
        ("user@127.0.0.1:8123", False),
        ("127.0.0.1:8123, evil.example", False),
        (None, False),
    ],
)
def test_only_our_own_name_is_answered(host: str | None, ours: bool) -> None:
    admission = Admission(8123)
    assert admission.is_ours(host) is ours
    assert admission.is_our_page(f"http://{host}") is ours


def test_the_usual_port_is_left_out_of_names() -> None:
    assert Admission(80).host == "127.0.0.1"


@pytest.mark.parametrize("origin", [None, "", "null", "http://localhost:8123", "https://127.0.0.1:8123", "http://evil"])
def test_only_our_own_page_may_connect(origin: str | None) -> None:
    assert not Admission(8123).is_our_page(origin)


def test_what_we_say_is_text_and_never_a_script() -> None:
    assert "<script>" not in responses.page(("<script>", "a & b"))
    assert responses.page(("Title", "a & b")).count("a &amp; b") == 1
