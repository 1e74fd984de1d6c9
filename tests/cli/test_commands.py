"""The commands of the chat: each one used well, used wrongly, and what it says then."""

from __future__ import annotations

import re

import pytest

from sidecar.cli.slash import COMMANDS
from tests.cli.terminal import Terminal

SESSION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def lines(shown: str) -> list[str]:
    """What was shown, without the blanks that fill a table."""
    return [re.sub(r"(?<=\S) {2,}", "  ", line.rstrip()) for line in shown.strip("\n").splitlines()]


# --- help --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["help", "?", "HELP"])
def test_help_names_every_command_and_every_key(talk: Terminal, name: str) -> None:
    shown = talk.ask(f"/{name}")
    assert re.findall(r"^ +/(\w+)", shown, re.MULTILINE) == [command.name for command in COMMANDS]
    for key in ("Ctrl-C", "Ctrl-D", "Tab"):
        assert key in shown


def test_an_unknown_command_is_told_with_the_nearest_one(talk: Terminal) -> None:
    shown = talk.ask("/modles")
    assert "There is no command /modles." in shown
    assert "Did you mean /models?" in shown


def test_an_unknown_command_like_no_other_is_told_with_the_way_to_the_list(talk: Terminal) -> None:
    shown = talk.ask("/[bold]")
    assert "There is no command /[bold]." in shown
    assert "/help" in shown
    assert "Did you mean" not in shown


def test_a_message_may_begin_with_a_slash_after_a_blank(talk: Terminal) -> None:
    assert talk.ask(" /etc text=said").find("said") >= 0
    assert "/etc text=said" in talk.ask("/session")


@pytest.mark.parametrize("name", ["new", "models", "resources", "quit"])
def test_what_a_command_does_not_take_is_told_and_nothing_is_done(talk: Terminal, name: str) -> None:
    before = SESSION.findall(talk.ask("/session"))
    assert f"/{name} takes no argument." in talk.ask(f"/{name} what")
    assert SESSION.findall(talk.ask("/session")) == before


def test_tab_completes_a_command(talk: Terminal) -> None:
    assert "● tiny" in talk.ask("/mod\t")


def test_an_empty_line_is_asked_again(talk: Terminal) -> None:
    assert talk.ask("") == ""
    assert talk.ask("   ") == ""


# --- settings ----------------------------------------------------------------------------------------------


def test_config_shows_each_setting_and_where_it_comes_from(talk: Terminal) -> None:
    shown = lines(talk.ask("/config"))
    assert "  temperature  the engine's default" in shown
    assert "  context_policy  error (from the config)" in shown
    assert "new, nothing said yet" in talk.ask("/session")  # looking makes no session


def test_config_changes_settings_of_the_session_and_resets_them(talk: Terminal) -> None:
    assert lines(talk.ask('/config temperature=0.25 stop=["a b", "c"]')) == [
        "temperature is 0.25.",
        'stop is ["a b","c"].',
    ]
    shown = lines(talk.ask("/config"))
    assert "  temperature  0.25" in shown
    assert '  stop  ["a b","c"]' in shown
    assert lines(talk.ask("/config temperature=")) == ["temperature is reset."]
    shown = lines(talk.ask("/config"))
    assert "  temperature  the engine's default" in shown
    assert '  stop  ["a b","c"]' in shown


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("temperature", '"temperature" is not KEY=VALUE.'),
        ("hot temperature=1", '"hot" is not KEY=VALUE.'),
        ("temprature=1", 'There is no setting "temprature".'),
        ("temperature=hot", "temperature must be a number."),
        ("temperature=-1", "temperature must be between 0 and 100."),
        ("chat.temperature=hot", "chat.temperature"),
        ("chat.hotness=1", "hotness"),
    ],
)
def test_a_wrong_setting_is_told_and_nothing_is_changed(talk: Terminal, typed: str, told: str) -> None:
    before = talk.ask("/config")
    shown = talk.ask(f"/config top_k=7 {typed}" if typed.startswith("temp") and "=" in typed else f"/config {typed}")
    assert told in shown
    assert talk.ask("/config") == before


def test_config_with_a_dot_changes_the_config_file(talk: Terminal) -> None:
    assert lines(talk.ask("/config chat.temperature=0.5")) == ["chat.temperature is 0.5 in the config file."]
    assert "  temperature  0.5 (from the config)" in lines(talk.ask("/config"))
    assert lines(talk.ask("/config chat.temperature=")) == ["chat.temperature is reset in the config file."]
    assert "  temperature  the engine's default" in lines(talk.ask("/config"))


def test_config_says_what_waits_for_the_next_start(talk: Terminal) -> None:
    shown = " ".join(lines(talk.ask("/config server_defaults.ctx_size=8192")))
    assert shown == "server_defaults.ctx_size is 8192 in the config file; it takes effect when an engine is started."
    talk.ask("/config server_defaults.ctx_size=")


# --- the system prompt -------------------------------------------------------------------------------------


def test_system_is_shown_set_and_removed_before_the_first_message_and_after_it(talk: Terminal) -> None:
    assert "There is no system prompt." in talk.ask("/system")
    talk.ask("/system Be [brief].")
    assert "Be [brief]." in talk.ask("/system")
    talk.ask("tokens=1")
    assert lines(talk.ask("/system"))[0] == "Be [brief]."
    assert "  System  Be [brief]." in lines(talk.ask("/session"))
    talk.ask("/system Be kind.")
    assert lines(talk.ask("/system"))[0] == "Be kind."
    assert "removed" in talk.ask("/system -")
    assert "There is no system prompt." in talk.ask("/system")


# --- models and the machine --------------------------------------------------------------------------------


def test_models_lists_names_in_full_and_marks_the_one_in_use(talk: Terminal) -> None:
    shown = lines(talk.ask("/models"))
    assert [line for line in shown if not line.startswith("    ")] == ["  other", "● tiny  in use"]


def test_switch_without_a_model_asks_which(talk: Terminal) -> None:
    shown = talk.ask("/switch")
    assert "Which model?" in shown
    assert "/switch MODEL" in shown


def test_switch_to_what_there_is_not_is_told_and_the_old_model_goes_on(talk: Terminal) -> None:
    shown = talk.ask("/switch nobody")
    assert 'There is no model "nobody".' in shown
    assert "tiny" in shown
    assert "list_models" not in shown  # that is for programs
    assert "w1 w2" in talk.ask("tokens=2")


def test_resources_says_what_the_machine_has_and_the_engine_uses(talk: Terminal) -> None:
    shown = [line for line in lines(talk.ask("/resources")) if line[2:3].strip()]  # a long path goes on in the next
    assert [line.split()[0] for line in shown] == ["Processor", "Memory", "Disk", "GPU", "Engine"]


# --- sessions ----------------------------------------------------------------------------------------------


def test_session_says_which_one_this_is(talk: Terminal) -> None:
    shown = talk.ask("/session")
    assert "new, nothing said yet" in shown
    talk.ask("tokens=2")
    after = lines(talk.ask("/session"))
    assert after == [f"  Session  {SESSION.findall(shown)[0]}", "  Title  tokens=2", "  Messages  2"]


def test_new_begins_another_session_and_session_goes_back(talk: Terminal) -> None:
    talk.ask("text=first")
    first = SESSION.findall(talk.ask("/session"))[0]
    talk.ask("/new")
    talk.ask("text=second")
    assert first not in talk.ask("/session")
    shown = lines(talk.ask(f"/session {first[:8]}"))
    assert shown == ["text=first · 2 messages", "  > text=first", "    first"]
    assert first in talk.ask("/session")


@pytest.mark.parametrize("id_", ["zzz", "00000000-0000-0000-0000-000000000000"])
def test_a_session_that_there_is_not_is_told_and_this_one_stays(talk: Terminal, id_: str) -> None:
    talk.ask("tokens=1")
    before = talk.ask("/session")
    shown = talk.ask(f"/session {id_}")
    assert id_ in shown
    assert "/sessions" in shown
    assert talk.ask("/session") == before


def test_sessions_lists_them_and_finds_one_by_its_title(talk: Terminal) -> None:
    talk.ask("text=heron")
    talk.ask("/new")
    talk.ask("text=ibis")
    shown = lines(talk.ask("/sessions"))
    assert "text=ibis" in shown[0]
    assert shown[0].startswith("● ")
    assert "text=heron" in shown[1]
    assert "text=ibis" not in talk.ask("/sessions heron")
    assert 'No session has "bittern" in its title.' in talk.ask("/sessions bittern")


# --- what was said ----------------------------------------------------------------------------------------


def test_an_answer_is_continued_removed_and_its_session_deleted_and_restored(talk: Terminal) -> None:
    talk.ask("/config max_tokens=2")
    assert "w1 w2" in talk.ask("tokens=4")
    assert "w3 w4" in talk.ask("/continue")
    session = SESSION.findall(talk.ask("/session"))[0]
    assert "The answer is deleted: w1 w2 w3 w4" in talk.ask("/remove")
    assert "There is no answer to continue here." in talk.ask("/continue")
    assert f"/undelete {session[:8]}" in talk.ask("/delete")
    assert "There is no message yet" in talk.ask("/session") or session not in talk.ask("/session")
    assert f"{session[:8]}  tokens=4" in talk.ask("/undelete")
    assert 'begins with "ffffffff"' in talk.ask("/undelete ffffffff")
    assert "tokens=4 is restored" in talk.ask(f"/undelete {session[:8]}")
    assert session in talk.ask("/session")
