"""The commands as a whole: what they take, how they fail, and that they leave nothing running."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from recipes import checks, lockfiles, places, processes
from recipes.commands import COMMANDS, Command, main
from recipes.console import Problem, Progress
from recipes.environment import Environment
from recipes.places import ROOT

SLEEPER = [sys.executable, "-c", "print('ready', flush=True); import time; time.sleep(600)"]


def failing_with(error: BaseException) -> Command:
    def action(_arguments: Sequence[str]) -> int:
        raise error

    return Command(action, "fails")


# -- the command line -------------------------------------------------------------------------------


def test_make_offers_the_same_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = re.search(r"^COMMANDS := (.*)$", makefile, re.MULTILINE)
    assert listed is not None
    assert set(listed[1].split()) == set(COMMANDS)


def test_arguments_of_test_go_to_pytest_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []

    def action(arguments: Sequence[str]) -> int:
        seen.append(arguments)
        return 5

    monkeypatch.setitem(COMMANDS, "test", Command(action, "records", ("any",)))
    assert main(["test", "-k", "framing", "tests/build", "--help"]) == 5
    assert seen == [["-k", "framing", "tests/build", "--help"]]


@pytest.mark.parametrize("argv", [[], ["unknown"], ["check", "--fast"], ["lock", "now"]])
def test_what_no_command_takes_ends_with_the_exit_code_of_wrong_usage(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2


def test_an_option_is_passed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    monkeypatch.setattr(lockfiles, "make_all", lambda *, upgrade: made.append(upgrade))
    assert main(["lock"]) == 0
    assert main(["lock", "--upgrade"]) == 0
    assert made == [False, True]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Problem("It broke.", next_step="Mend it."), 1),
        (Problem("pip broke.", next_step="Mend it.", exit_code=23), 23),
        (KeyboardInterrupt(), 130),
        (OSError(28, "No space left on device", "/full"), 1),
    ],
)
def test_a_failure_is_told_in_two_sentences_and_by_the_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "setup", failing_with(error))
    assert main(["setup"]) == code
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("error: ")
    assert told[1].startswith("  ")


# -- other programs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_no_program_outlives_a_command_that_is_stopped(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "INTERRUPT_GRACE_S", 0.01)
    seen: list[subprocess.Popen[str]] = []

    def stopped_while_running() -> None:
        with processes.child(SLEEPER, piped=True) as process:
            seen.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            raise error

    with pytest.raises(error):
        stopped_while_running()
    assert seen[0].returncode not in (None, 0)


@pytest.mark.parametrize(("returncode", "code"), [(0, 0), (3, 3), (-15, 143), (-9, 137)])
def test_exit_codes_are_those_that_a_shell_shows(returncode: int, code: int) -> None:
    assert processes.exit_code(returncode) == code


def test_the_exit_code_of_a_program_comes_back() -> None:
    assert processes.call([sys.executable, "-c", "raise SystemExit(41)"]) == 41


@pytest.mark.parametrize(
    ("codes", "last"), [([0], 0), ([7, 0], 0), ([7, 8, 9], 9)], ids=["good at once", "good then", "never good"]
)
def test_what_fails_is_tried_again_a_few_times_and_that_is_said(
    codes: list[int], last: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "TRY_AGAIN_S", 0.0)
    left = codes.copy()
    assert processes.persist(lambda: left.pop(0), tries=3) == last
    assert left == []
    assert re.findall(r"exit code (\d+);", capfd.readouterr().out) == [str(code) for code in codes[:-1]]


def test_a_program_that_is_not_there_is_told_as_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem):
        processes.call([tmp_path / "missing"])


def test_output_is_none_for_a_program_that_fails_or_is_not_there(tmp_path: Path) -> None:
    assert processes.output([sys.executable, "-c", "print(1)"]) == "1\n".replace("\n", subprocess_newline())
    assert processes.output([sys.executable, "-c", "raise SystemExit(1)"]) is None
    assert processes.output([tmp_path / "missing"]) is None


def subprocess_newline() -> str:
    return "\r\n" if sys.platform == "win32" else "\n"


def test_a_stray_python_path_does_not_reach_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/stray")
    monkeypatch.setenv("KEPT", "yes")
    environment = processes.clean_environment({"MORE": "1"})
    assert "PYTHONPATH" not in environment
    assert (environment["KEPT"], environment["MORE"]) == ("yes", "1")


def test_a_lock_is_held_by_one_and_free_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "LOCK_WAIT_S", 0.0)
    monkeypatch.setattr(processes, "LOCK_POLL_S", 0.0)
    lock = tmp_path / "locks" / "build"
    with processes.exclusive(lock, waiting_for="building"):
        with pytest.raises(Problem), processes.exclusive(lock, waiting_for="building"):
            pass
        assert "Waiting for another command that is building" in capfd.readouterr().out
    with processes.exclusive(lock, waiting_for="building"):
        pass


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "build"
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from recipes.processes import exclusive\n"
        "with exclusive(Path(sys.argv[2]), waiting_for='testing'):\n"
        "    print('ready', flush=True); time.sleep(600)\n"
    )
    argv = [sys.executable, "-c", program, str(ROOT / "build"), str(lock)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        holder.kill()
    with processes.exclusive(lock, waiting_for="testing") as descriptor:
        assert descriptor >= 0


# -- checks -----------------------------------------------------------------------------------------


def test_all_checks_run_and_the_failed_ones_are_named_with_their_repair(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def check(name: str, code: int) -> checks.Check:
        return checks.Check(name, (sys.executable, "-c", f"raise SystemExit({code})"), f"mend {name}")

    with pytest.raises(Problem) as caught:
        checks.run_all([check("first", 1), check("second", 0), check("third", 2)])
    assert caught.value.what == "These checks failed: first, third."
    assert caught.value.next_step.splitlines()[1:] == ["  first: mend first", "  third: mend third"]
    assert capfd.readouterr().out.count("good after") == 1


def test_checks_that_pass_end_quietly() -> None:
    checks.run_all([checks.Check("only", (sys.executable, "-c", ""), "nothing")])


def test_each_check_has_a_repair() -> None:
    listed = checks.checks(Environment(ROOT / ".venv"))
    assert len({check.name for check in listed}) == len(listed)
    assert all(check.repair for check in listed)


# -- progress ---------------------------------------------------------------------------------------


def test_without_a_terminal_progress_is_a_line_each_tenth(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress("MB", terminal=False)
    for done in range(101):
        progress.show(done, 100)
    progress.close()
    assert capfd.readouterr().out.splitlines() == [f"  {done} of 100 MB" for done in range(10, 101, 10)]


def test_on_a_terminal_progress_is_one_line_drawn_over(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress("MB", terminal=True)
    for done in (0.0, 0.4, 1.0, 1.2, 2.0, 9.0):
        progress.show(done, 2)
    progress.close()
    assert capfd.readouterr().out == "\r  0 of 2 MB\r  1 of 2 MB\r  2 of 2 MB\n"


# -- clean ------------------------------------------------------------------------------------------


def test_cleaning_the_cache_removes_what_is_ours_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_SIDECAR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(places, "ROOT", tmp_path / "tree")
    for name in ("cache/downloads", "cache/thesis", "tree/.venv", "tree/sidecar"):
        (tmp_path / name).mkdir(parents=True)
    assert main(["clean"]) == 0
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["downloads", "sidecar", "thesis"]
    assert main(["clean", "--cache"]) == 0
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["sidecar", "thesis"]
