"""What servers say of a file is understood, and what they can not mean is not believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

from sidecar.contract.errors import DownloadFailed, HubAccessDenied, ModelNotFound
from sidecar.jobs.retry_budget import TryAgain
from sidecar.library.downloads.answers import Changed, Remote, check_range, described, refusal, with_hub_facts

URL_ = URL("https://cdn.example/some/one%20file.gguf?Signature=secret")
BARE = Remote(URL_)
RANGE = "bytes 0-0/1000"


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (206, {"Content-Range": RANGE, "ETag": '"e"'}, (1000, True, '"e"')),
        (206, {"Content-Range": RANGE, "ETag": 'W/"e"', "Last-Modified": "then"}, (1000, True, "then")),
        (206, {"Content-Range": "bytes 0-0/*"}, (None, False, None)),
        (206, {"Content-Range": "bytes 0-0/1e9"}, (None, False, None)),
        (206, {}, (None, False, None)),
        (200, {"Content-Length": "1000"}, (1000, False, None)),
        (200, {"Content-Length": "-1"}, (None, False, None)),
        (200, {}, (None, False, None)),
    ],
)
def test_a_file_has_the_size_and_the_ways_that_the_server_tells(
    status: int, headers: Mapping[str, str], expected: tuple[Any, ...]
) -> None:
    found = described(BARE, status, CIMultiDict(headers))
    assert (found.size, found.ranges, found.validator, found.name) == (*expected, "one file.gguf")


@pytest.mark.parametrize(("status", "headers"), [(200, {"Content-Length": "0"}), (206, {"Content-Range": "bytes */0"})])
def test_an_empty_file_is_refused_where_it_is_told(status: int, headers: Mapping[str, str]) -> None:
    if status == 200:
        with pytest.raises(DownloadFailed):
            described(BARE, status, CIMultiDict(headers))
    else:
        assert described(BARE, status, CIMultiDict(headers)).ranges is False


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a.gguf"', "a.gguf"),
        ("attachment; filename*=UTF-8''%C3%A4.gguf", "ä.gguf"),
        ('attachment; filename="../../a.gguf"', "../../a.gguf"),
        ("attachment", "one file.gguf"),
        ("x" * 2000, "one file.gguf"),
        ("", "one file.gguf"),
    ],
)
def test_a_name_is_what_the_server_says_and_for_others_to_judge(header: str, name: str) -> None:
    assert described(BARE, 200, CIMultiDict({"Content-Disposition": header})).name == name


def test_the_hub_s_word_is_taken_where_it_has_the_form_of_one() -> None:
    good = {"X-Linked-Etag": f'"{"A" * 64}"', "X-Linked-Size": "5", "X-Repo-Commit": "b" * 40}
    found = with_hub_facts(BARE, CIMultiDict(good))
    assert (found.sha256, found.size, found.commit) == ("a" * 64, 5, "b" * 40)
    odd = {"X-Linked-Etag": '"a"', "X-Linked-Size": "\u0665", "X-Repo-Commit": "../x"}
    assert with_hub_facts(BARE, CIMultiDict(odd)) == BARE


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("bytes 5-9/100", None),
        ("bytes 5-6/100", None),
        ("bytes 5-9/*", None),
        ("bytes 0-9/100", TryAgain),
        ("bytes 5-10/100", TryAgain),
        ("", TryAgain),
        ("bytes 5-9/101", Changed),
    ],
)
def test_a_part_is_the_one_that_was_asked_for(header: str, problem: type[Exception] | None) -> None:
    remote = Remote(URL_, size=100, ranges=True)
    if problem is None:
        check_range(remote, CIMultiDict({"Content-Range": header}), 5, 10)
    else:
        with pytest.raises(problem):
            check_range(remote, CIMultiDict({"Content-Range": header}), 5, 10)


@pytest.mark.parametrize(
    ("status", "headers", "repo", "kind"),
    [
        (429, {}, None, TryAgain),
        (503, {}, "o/n", TryAgain),
        (408, {}, None, TryAgain),
        (403, {"X-Error-Code": "GatedRepo"}, "o/n", HubAccessDenied),
        (401, {}, "o/n", HubAccessDenied),
        (401, {"X-Error-Code": "RepoNotFound"}, "o/n", ModelNotFound),
        (404, {"X-Error-Code": "EntryNotFound"}, "o/n", ModelNotFound),
        (404, {}, None, DownloadFailed),
        (403, {"X-Error-Code": "GatedRepo"}, None, DownloadFailed),
        (418, {}, "o/n", DownloadFailed),
    ],
)
def test_a_refusal_has_its_meaning_and_never_a_signature(
    status: int, headers: Mapping[str, str], repo: str | None, kind: type[Exception]
) -> None:
    found = refusal(URL_, status, CIMultiDict(headers), repo=repo)
    assert type(found) is kind
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:10 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10.0),
        ({"Retry-After": "Wed, 21 Oct 2020 07:28:10 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:10 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
def test_a_server_may_say_when_it_wants_to_be_asked_again(headers: Mapping[str, str], seconds: float | None) -> None:
    found = refusal(URL_, 503, CIMultiDict(headers))
    assert isinstance(found, TryAgain)
    assert found.after_seconds == seconds
