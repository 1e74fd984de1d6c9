"""What a person pastes is understood, or refused with a way out."""

from __future__ import annotations

import pytest

from sidecar.contract.errors import InvalidParams
from sidecar.library.hub.reference import FileUrl, HubReference, parse, with_choice

MIRROR = "http://mirror.example:8080/hf"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("owner/name", HubReference("owner/name")),
        ("  owner/name-1.5_B.GGUF \n", HubReference("owner/name-1.5_B.GGUF")),
        ("owner/name:Q4_K_M", HubReference("owner/name", tag="Q4_K_M")),
        ("owner/name@refs-pr-1", HubReference("owner/name", revision="refs-pr-1")),
        ("hf://owner/name", HubReference("owner/name")),
        ("hf.co/owner/name:UD-Q4_K_XL", HubReference("owner/name", tag="UD-Q4_K_XL")),
        ("huggingface.co/owner/name", HubReference("owner/name")),
        ("https://huggingface.co/owner/name", HubReference("owner/name")),
        ("https://www.huggingface.co/owner/name/", HubReference("owner/name")),
        ("https://huggingface.co/owner/name?library=llama-cpp#usage", HubReference("owner/name")),
        ("https://huggingface.co/owner/name/tree/main", HubReference("owner/name", revision="main")),
        ("https://huggingface.co/owner/name/tree/v1/sub", HubReference("owner/name", revision="v1")),
        ("https://huggingface.co/owner/name/blob/main/a.gguf", HubReference("owner/name", "a.gguf", None, "main")),
        (
            "https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/sub/a%20b.gguf?download=true",
            HubReference("owner/name", "sub/a b.gguf", None, "refs/pr/1"),
        ),
        ("https://huggingface.co/owner/name?show_file_info=a.gguf", HubReference("owner/name", "a.gguf")),
        ("https://huggingface.co/owner/name/discussions/3", HubReference("owner/name")),
        (f"{MIRROR}/owner/name/resolve/main/a.gguf", HubReference("owner/name", "a.gguf", None, "main")),
        ("http://mirror.example:8080/other/name", FileUrl("http://mirror.example:8080/other/name")),
        ("https://example.com/a.gguf?key=1", FileUrl("https://example.com/a.gguf?key=1")),
        ("https://huggingface.co:8443/owner/name", FileUrl("https://huggingface.co:8443/owner/name")),
        ("https://huggingface.co.evil.example/owner/name", FileUrl("https://huggingface.co.evil.example/owner/name")),
    ],
)
def test_a_text_means_a_repository_a_file_of_one_or_an_address(text: str, meant: HubReference | FileUrl) -> None:
    assert parse(text, endpoint=MIRROR) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", "name", "owner/", "/name", "owner/name/more", "../name", "owner/..", "owner/na me", "owner/name:"),
        *("owner/name:a/b", "owner/-name", "owner/name-", "owner/na--me", "owner/na..me", "owner/name.git"),
        *("owner/" + "n" * 97, "ow\u202ener/name", "owner/näme", "owner/name\x00", "C:\\models\\a.gguf", "owner/name@"),
        *("https://", "https://[", "https://huggingface.co", "https://huggingface.co/owner", "https://x:99999/a.gguf"),
        *("https://huggingface.co/datasets/owner/name", "https://huggingface.co/spaces/owner/name"),
        *("https://user:secret@example.com/a.gguf", "https://user@huggingface.co/owner/name"),
    ],
)
def test_what_is_no_name_is_refused_with_a_hint_and_without_a_secret(text: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        parse(text)
    assert refused.value.hint
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("text", "file", "revision", "meant"),
    [
        ("o/n", None, None, HubReference("o/n")),
        ("o/n", "Q5_K_M", None, HubReference("o/n", tag="Q5_K_M")),
        ("o/n", "sub/a.gguf", "v1", HubReference("o/n", "sub/a.gguf", None, "v1")),
        ("o/n:Q4_0", "Q4_0", None, HubReference("o/n", tag="Q4_0")),
        ("https://hf.co/o/n/blob/v1/a.gguf", "a.gguf", "v1", HubReference("o/n", "a.gguf", None, "v1")),
    ],
)
def test_a_file_and_a_revision_may_be_given_beside_it(
    text: str, file: str | None, revision: str | None, meant: HubReference
) -> None:
    assert with_choice(parse(text), file=file, revision=revision) == meant


@pytest.mark.parametrize(
    ("text", "file", "revision"),
    [
        ("o/n:Q4_0", "Q5_0", None),
        ("https://hf.co/o/n/blob/v1/a.gguf", "b.gguf", None),
        ("https://hf.co/o/n/blob/v1/a.gguf", None, "v2"),
        ("https://example.com/a.gguf", "b.gguf", None),
        ("https://example.com/a.gguf", None, "main"),
    ],
)
def test_what_contradicts_the_address_is_refused(text: str, file: str | None, revision: str | None) -> None:
    with pytest.raises(InvalidParams):
        with_choice(parse(text), file=file, revision=revision)
