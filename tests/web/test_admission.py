"""Who is let in, by rules alone."""

from __future__ import annotations

import pytest

from sidecar.transport.web import responses
from sidecar.transport.web.admission import Admission


def test_only_the_token_is_exchanged_and_only_once() -> None:
    admission = Admission(8123)
    assert admission.exchange("guess") is None
    assert admission.exchange("") is None
    cookie = admission.exchange(admission.token)
    assert cookie not in (None, admission.token)
    assert admission.knows(cookie)
    assert admission.exchange(admission.token) is None


@pytest.mark.parametrize("cookie", [None, "", "guess", "ü\udc80"])
def test_another_cookie_is_not_known(cookie: str | None) -> None:
    assert not Admission(8123).knows(cookie)


def test_two_sidecars_do_not_know_each_others_browsers() -> None:
    one, other = Admission(1), Admission(2)
    assert not other.knows(one.exchange(one.token))
    assert one.cookie_name != other.cookie_name  # else one would put the other's out of the browser


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8123", True),
        ("localhost:8123", True),
        ("LOCALHOST:8123", True),
        ("localhost", False),
        ("localhost:8124", False),
        ("localhost.:8123", False),
        ("x.localhost:8123", False),
        ("[::1]:8123", False),
        ("0.0.0.0:8123", False),
        ("user@localhost:8123", False),
        ("localhost:8123, evil.example", False),
        (None, False),
    ],
)
def test_only_our_own_names_are_answered(host: str | None, ours: bool) -> None:
    admission = Admission(8123)
    assert admission.is_ours(host) is ours
    assert admission.is_our_page(f"http://{host}", host) is ours


def test_the_usual_port_is_left_out_of_names() -> None:
    assert Admission(80).hosts == {"127.0.0.1", "localhost"}


@pytest.mark.parametrize("origin", [None, "", "null", "http://localhost:8123", "https://127.0.0.1:8123", "http://evil"])
def test_only_the_page_of_the_same_name_may_connect(origin: str | None) -> None:
    assert not Admission(8123).is_our_page(origin, "127.0.0.1:8123")


def test_what_we_say_is_text_and_never_a_script() -> None:
    assert "<script>" not in responses.page(("<script>", "a & b"))
    assert responses.page(("Title", "a & b")).count("a &amp; b") == 1
