"""Records that are sealed and opened again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import StorageError
from sidecar.storage.cipher import KEY_BYTES, PREFIX, Cipher, key_of

CIPHER = Cipher(bytes(range(KEY_BYTES)), "ours")
ABOUT = "messages.content/a/b"
SEALED = CIPHER.seal(b"a secret", ABOUT)


@given(record=st.binary(), about=st.text())
def test_what_was_sealed_is_opened_as_what_it_is(record: bytes, about: str) -> None:
    assert CIPHER.open(CIPHER.seal(record, about), about) == record


@given(text=st.text(), about=st.text())
def test_a_text_comes_back_as_it_was(text: str, about: str) -> None:
    sealed = CIPHER.seal_text(text, about)
    assert CIPHER.open_text(sealed, about) == text
    assert key_of(sealed) == ("ours" if text else None)


def test_the_same_text_is_never_sealed_in_the_same_way_twice() -> None:
    assert len({CIPHER.seal_text("yes", "x") for _ in range(100)}) == 100


def test_an_empty_text_stays_empty() -> None:
    assert (CIPHER.seal_text("", "x"), CIPHER.open_text("", "x")) == ("", "")


@pytest.mark.parametrize(
    ("cipher", "sealed", "about"),
    [
        pytest.param(CIPHER, SEALED, "messages.content/a/c", id="another record's place"),
        pytest.param(CIPHER, SEALED, "", id="no place"),
        pytest.param(Cipher(bytes(KEY_BYTES), "ours"), SEALED, ABOUT, id="another key"),
        pytest.param(CIPHER.derived("x"), SEALED, ABOUT, id="a derived key"),
        pytest.param(CIPHER, SEALED + b"\0", ABOUT, id="a byte more"),
        pytest.param(CIPHER, b"\2" + SEALED[1:], ABOUT, id="another version"),
        *(pytest.param(CIPHER, SEALED[:n], ABOUT, id=f"{n} bytes") for n in (0, 1, 5, 13, 28, len(SEALED) - 1)),
    ],
)
def test_what_is_not_the_record_that_was_sealed_is_refused(cipher: Cipher, sealed: bytes, about: str) -> None:
    with pytest.raises(StorageError):
        cipher.open(sealed, about)


@pytest.mark.parametrize("place", range(len(SEALED)))
def test_a_record_with_one_bit_changed_is_refused(place: int) -> None:
    changed = bytearray(SEALED)
    changed[place] ^= 1
    with pytest.raises(StorageError):
        CIPHER.open(bytes(changed), ABOUT)


@pytest.mark.parametrize("text", ["plain", PREFIX, f"{PREFIX}ours:", f"{PREFIX}ours:???", f"{PREFIX}theirs:AAAA", "{}"])
def test_a_text_that_was_never_sealed_is_refused(text: str) -> None:
    with pytest.raises(StorageError):
        CIPHER.open_text(text, "x")


def test_a_derived_key_is_the_same_for_the_same_purpose_only() -> None:
    sealed = CIPHER.derived("turn 1").seal(b"a", "x")
    assert CIPHER.derived("turn 1").open(sealed, "x") == b"a"
    with pytest.raises(StorageError):
        CIPHER.derived("turn 2").open(sealed, "x")


def test_one_cipher_serves_many_threads() -> None:
    def seal_and_open(number: int) -> int:
        about, record = f"thread {number}", os.urandom(2000)
        return sum(CIPHER.open(CIPHER.seal(record, about), about) == record for _ in range(500))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(seal_and_open, range(8))) == [500] * 8
