"""Records that are encrypted and decrypted again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import StorageError
from sidecar.storage.cipher import KEY_BYTES, PREFIX, Cipher, key_of

CIPHER = Cipher(bytes(range(KEY_BYTES)), "ours")
PLACE = "messages.content/a/b"
RECORD = CIPHER.encrypt(b"a secret", PLACE)


@given(record=st.binary(), place=st.text())
def test_a_record_is_decrypted_to_what_it_was(record: bytes, place: str) -> None:
    assert CIPHER.decrypt(CIPHER.encrypt(record, place), place) == record


@given(text=st.text(), place=st.text())
def test_a_text_comes_back_as_it_was(text: str, place: str) -> None:
    encrypted = CIPHER.encrypt_text(text, place)
    assert CIPHER.decrypt_text(encrypted, place) == text
    assert key_of(encrypted) == ("ours" if text else None)


def test_the_same_text_is_never_encrypted_in_the_same_way_twice() -> None:
    assert len({CIPHER.encrypt_text("yes", "x") for _ in range(100)}) == 100


def test_an_empty_text_stays_empty() -> None:
    assert (CIPHER.encrypt_text("", "x"), CIPHER.decrypt_text("", "x")) == ("", "")


@pytest.mark.parametrize(
    ("cipher", "record", "place"),
    [
        pytest.param(CIPHER, RECORD, "messages.content/a/c", id="another record's place"),
        pytest.param(CIPHER, RECORD, "", id="no place"),
        pytest.param(Cipher(bytes(KEY_BYTES), "ours"), RECORD, PLACE, id="another key"),
        pytest.param(CIPHER, RECORD + b"\0", PLACE, id="a byte more"),
        pytest.param(CIPHER, b"\2" + RECORD[1:], PLACE, id="another version"),
        *(pytest.param(CIPHER, RECORD[:n], PLACE, id=f"{n} bytes") for n in (0, 1, 5, 13, 28, len(RECORD) - 1)),
    ],
)
def test_what_is_not_the_record_that_was_encrypted_is_refused(cipher: Cipher, record: bytes, place: str) -> None:
    with pytest.raises(StorageError):
        cipher.decrypt(record, place)


@pytest.mark.parametrize("place", range(len(RECORD)))
def test_a_record_with_one_bit_changed_is_refused(place: int) -> None:
    changed = bytearray(RECORD)
    changed[place] ^= 1
    with pytest.raises(StorageError):
        CIPHER.decrypt(bytes(changed), PLACE)


@pytest.mark.parametrize("text", ["plain", PREFIX, f"{PREFIX}ours:", f"{PREFIX}ours:???", f"{PREFIX}theirs:AAAA", "{}"])
def test_a_text_that_was_never_encrypted_is_refused(text: str) -> None:
    with pytest.raises(StorageError):
        CIPHER.decrypt_text(text, "x")


def test_one_cipher_serves_many_threads() -> None:
    def encrypt_and_decrypt(number: int) -> int:
        place, record = f"thread {number}", os.urandom(2000)
        return sum(CIPHER.decrypt(CIPHER.encrypt(record, place), place) == record for _ in range(500))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(encrypt_and_decrypt, range(8))) == [500] * 8
