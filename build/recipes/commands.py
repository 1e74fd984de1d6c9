"""The commands of build/dev.py, each whole on its own: it does what it needs first, and only once.

Owns the table of commands, their order of steps and the way a failure is reported. How a step is done is in
the other modules.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from recipes import (
    checks,
    desktop,
    freezing,
    llama_cpp,
    lockfiles,
    native,
    page,
    places,
    processes,
    starter_model,
    window,
)
from recipes.console import Problem, report, say
from recipes.environment import Environment

# The package's own answer, and its own way of making the folder: the history in there is for the owner alone.
ASK_FOR_MODELS = (
    "from sidecar.host.paths import DataDir, default_data_dir; "
    "data = DataDir(default_data_dir()); data.create(); print(data.models)"
)
# Each worker starts sidecars, engines and models: with more of them memory and disk are what tests wait for. It also
# bounds what a container costs that may use only a part of the many CPUs it sees.
MOST_CPUS = 8
# A worker a CPU and one more, since tests wait for a fifth of their time; a file's tests stay together, since they
# share what their module's fixtures start.
SIDE_BY_SIDE = ("-n", str(min(processes.cpus(), MOST_CPUS) + 1), "--dist", "loadfile")
FROZEN_TESTS = ("tests/frozen", "tests/conversation", "tests/trust/test_kill_matrix.py")
IN_THE_TREE = (
    *("shell/dist", "shell/node_modules"),
    *(".venv", "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"),
)
IN_THE_CACHE = (
    "starter-model",
    "downloads",
    "environments",
    "llama.cpp",
    "freeze",
    "bench",
    "locks",
    "desktop",
    "debian",
)


def _environment(*, develop: bool = False) -> Environment:
    environment = Environment(places.VENV)
    environment.ensure_made()
    environment.ensure_requirements("build")
    environment.ensure_requirements("run")
    if develop:
        environment.ensure_requirements("dev")
    environment.ensure_package()
    return environment


def _ready_to_run() -> Environment:
    environment = _environment()
    printed = processes.output([environment.python, "-X", "utf8", "-c", ASK_FOR_MODELS])
    if not printed:
        raise Problem(
            "The installed package did not say where its models go.",
            next_step=f'To see why, run: {places.shown(environment.python)} -c "{ASK_FOR_MODELS}"',
        )
    starter_model.ensure_in(Path(printed.strip()), environment)
    return environment


def setup(_: Sequence[str]) -> int:
    environment = _ready_to_run()
    if page.can_be_built():
        page.ensure_built()
    else:
        say("Without Node 20 or later, the page of `serve --web` was left out; all else is there.")
    say(f"Everything is set up. To start the chat: {places.shown(environment.script('llama-sidecar'))} chat")
    return 0


def run(_: Sequence[str]) -> int:
    program = _ready_to_run().script("llama-sidecar")
    terminal = sys.stdin is not None and sys.stdin.isatty()
    return processes.become([program, "chat", *([] if terminal else ["--demo"])])


def web(arguments: Sequence[str]) -> int:
    page.ensure_built()
    program = _ready_to_run().script("llama-sidecar")
    return processes.become([program, "serve", "--web", "--open", *arguments])


def app(_: Sequence[str]) -> int:
    window.must_have_display()
    program = window.ensure_built()
    sidecar = _ready_to_run().script("llama-sidecar")
    return processes.become([program], environ=window.environ_for([sidecar]))


def bundle(_: Sequence[str]) -> int:
    window.ensure_bundled()
    return 0


def test(arguments: Sequence[str]) -> int:
    environment = _environment(develop=True)
    environ = {
        "LLAMA_SIDECAR_TEST_MODEL": str(starter_model.ensure_cached(environment)),
        "PYTHONDONTWRITEBYTECODE": "",  # a thousand sidecars are started: each would be compiled again
    }
    return processes.call([environment.python, "-m", "pytest", *SIDE_BY_SIDE, *arguments], environ=environ, quiet=False)


def build_llama_cpp(_: Sequence[str]) -> int:
    # The folder alone on the last line, for scripts.
    say(str(llama_cpp.ensure_built()))
    return 0


def test_native(arguments: Sequence[str]) -> int:
    folder = llama_cpp.ensure_built()
    bindings = native.ensure_installed(folder)
    environment = _environment(develop=True)
    environ = {
        "LLAMA_SIDECAR_TEST_MODEL": str(starter_model.ensure_cached(environment)),
        "LLAMA_SIDECAR_TEST_LLAMA_CPP": str(folder),
        "LLAMA_SIDECAR_TEST_ENGINES": "llama-server,llama-cpp-python",
        "LLAMA_SIDECAR_TEST_PYTHON": str(bindings.python),
        **native.library_path(folder),
    }
    argv: processes.Argv = [environment.python, "-m", "pytest", Path("tests", "conversation"), *arguments]
    return processes.call(argv, environ=environ, quiet=False)


def freeze(arguments: Sequence[str]) -> int:
    products = freezing.ensure_frozen()
    if "--verify" in arguments:
        freezing.verify(products)
    return 0


def check(_: Sequence[str]) -> int:
    page.ensure_packages()
    checks.run_all(checks.checks(_environment(develop=True)))
    return 0


def mend_format(_: Sequence[str]) -> int:
    checks.mend(_environment(develop=True))
    return 0


def test_frozen(arguments: Sequence[str]) -> int:
    products = freezing.ensure_frozen()
    environment = _environment(develop=True)
    environ = {
        "LLAMA_SIDECAR_TEST_MODEL": str(starter_model.ensure_cached(environment)),
        "LLAMA_SIDECAR_TEST_SLIM": str(products.slim / freezing.PROGRAM),
    }
    for name, program in products.programs.items():
        say(f"Testing the {name} ...")
        argv: processes.Argv = [environment.python, "-m", "tests.frozen.room", program]
        code = processes.call([*argv, *SIDE_BY_SIDE, *FROZEN_TESTS, *arguments], environ=environ, quiet=False)
        if code != 0:
            return code
    return 0


def try_desktop(_: Sequence[str]) -> int:
    return desktop.test(_environment(develop=True))


def page_trial(_: Sequence[str]) -> int:
    return desktop.try_page(_environment(develop=True))


def try_bundle(_: Sequence[str]) -> int:
    return desktop.test_bundle(_environment(develop=True))


def bench(arguments: Sequence[str]) -> int:
    # Of its own, so that what we are compared with is no part of what is measured.
    references = Environment(places.cache() / "environments" / f"bench-{llama_cpp.python_tag()}")
    references.ensure_made()
    references.ensure_requirements("bench")
    freezing.ensure_frozen()
    environ = {
        "LLAMA_SIDECAR_BENCH_PYTHON": str(references.python),
        "LLAMA_SIDECAR_BENCH_CACHE": str(places.cache() / "bench"),
    }
    return _with_engines(Path("tests", "bench", "run.py"), *arguments, environ=environ)


def memory_trial(arguments: Sequence[str]) -> int:
    return _with_engines("-m", "tests.servers.memory.trial", *arguments)


def _with_engines(*words: str | Path, environ: Mapping[str, str] = MappingProxyType({})) -> int:
    """Run Python with the real model and llama-server at hand."""
    folder = llama_cpp.ensure_built()
    environment = _environment(develop=True)
    places_of_them = {
        "LLAMA_SIDECAR_TEST_MODEL": str(starter_model.ensure_cached(environment)),
        "LLAMA_SIDECAR_TEST_LLAMA_CPP": str(folder),
    }
    return processes.call([environment.python, *words], environ=places_of_them | dict(environ), quiet=False)


def _trial(name: str) -> Callable[[Sequence[str]], int]:
    def try_it(arguments: Sequence[str]) -> int:
        environment = _environment(develop=True)
        environ = {"LLAMA_SIDECAR_TEST_MODEL": str(starter_model.ensure_cached(environment))}
        argv: processes.Argv = [environment.python, "-m", f"tests.trust.{name}", *arguments]
        return processes.call(argv, environ=environ, quiet=False)

    return try_it


def lock(arguments: Sequence[str]) -> int:
    lockfiles.make_all(upgrade="--upgrade" in arguments)
    return 0


def clean(arguments: Sequence[str]) -> int:
    folders = [places.ROOT / name for name in IN_THE_TREE]
    if "--cache" in arguments:
        # By name and never the folder itself: LLAMA_SIDECAR_CACHE_DIR may point at one that holds other things.
        folders += [places.cache() / name for name in IN_THE_CACHE]
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
            say(f"Removed {places.shown(folder)}.")
    say("Models, sessions and settings in the data folder are kept.")
    return 0


@dataclass(frozen=True)
class Command:
    """A sub-command: what it does in a sentence, and which arguments it takes ("any" passes them all on)."""

    action: Callable[[Sequence[str]], int]
    help: str
    takes: tuple[str, ...] = ()

    @property
    def passes_on(self) -> bool:
        return self.takes == ("any",)


COMMANDS = {
    "run": Command(run, "set everything up and chat; without a terminal: one demo message"),
    "web": Command(web, "build the page and open it in the browser; arguments go to serve --web", ("any",)),
    "app": Command(app, "build the desktop app and open its window, on the sidecar of this tree"),
    "setup": Command(setup, "all that run needs, starting nothing"),
    "test": Command(test, "the tests, with a real conversation; arguments go to pytest", ("any",)),
    "check": Command(check, "format, lint, types, import layers, generated files"),
    "format": Command(mend_format, "mend what check says about format, and some of the lint"),
    "llama-cpp": Command(build_llama_cpp, "build llama.cpp's server and tools; the last line is their folder"),
    "test-native": Command(test_native, "the conversation tests on llama-server and llama-cpp-python", ("any",)),
    "test-frozen": Command(
        test_frozen, "the conversation and kill tests on what freeze makes, in an empty environment", ("any",)
    ),
    "test-desktop": Command(try_desktop, "the desktop app's tests against a real sidecar"),
    "test-bundle": Command(try_bundle, "the .deb installed in a minimal Debian: its window, a chat, nothing left"),
    "freeze": Command(
        freeze, "the program as folders and as one file, in dist/; --verify: built twice, and alike", ("--verify",)
    ),
    "bundle": Command(bundle, "the desktop app with the frozen sidecar as .deb and .rpm, in dist/"),
    "bench": Command(bench, "the benchmarks; --short: in three minutes; arguments go to tests/bench/run.py", ("any",)),
    "kill-matrix": Command(_trial("kill_matrix"), "kill hosts, sidecars and engines, and find what is left", ("any",)),
    "fuzz": Command(_trial("fuzz"), "a million mutated frames to a real sidecar", ("any",)),
    "headers": Command(_trial("headers"), "ten thousand mutated model headers", ("any",)),
    "torture": Command(_trial("torture"), "a thousand kills in the middle of conversations, nothing lost", ("any",)),
    "slow-host": Command(_trial("slow_host"), "a host that does not read for a minute", ("any",)),
    "hostile-names": Command(_trial("hostile_names_trial"), "832 hostile names in every place for a text", ("any",)),
    "killed-downloads": Command(
        _trial("killed_downloads"), "downloads that lose their sidecar, host and network ten times each", ("any",)
    ),
    "page-trial": Command(page_trial, "the page's weight, its first paint, and how 10,000 messages scroll"),
    "memory-trial": Command(memory_trial, "memory plans against what starts take, on llama-server", ("any",)),
    "stranger": Command(_trial("stranger"), "another user with a stolen key, and 5,000 silent connections", ("any",)),
    "soak": Command(_trial("soak"), "an hour of 64 streams: memory, files and threads stay flat", ("any",)),
    "trust-report": Command(
        _trial("report"), "run the tests of the forty cases and write tests/trust/REPORT.md", ("any",)
    ),
    "lock": Command(lock, "write the lock files again; --upgrade takes newer versions", ("--upgrade",)),
    "clean": Command(clean, "remove .venv and what tools left in the tree; --cache: the cache, too", ("--cache",)),
}


def main(argv: Sequence[str]) -> int:
    """Runs the command that `argv` names and returns the exit code; problems are reported, not raised."""
    parser = argparse.ArgumentParser(prog="build/dev.py", description="The development commands of llama-sidecar.")
    listed = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, command in COMMANDS.items():
        sub = listed.add_parser(name, help=command.help, description=command.help, add_help=not command.passes_on)
        for option in command.takes if not command.passes_on else ():
            sub.add_argument(option, action="store_true")
    options, arguments = parser.parse_known_args(argv)
    chosen = COMMANDS[options.command]
    if arguments and not chosen.passes_on:
        parser.error(f"{options.command} does not take {' '.join(arguments)}")
    if not chosen.passes_on:
        arguments = [option for option in chosen.takes if getattr(options, option.lstrip("-"))]
    try:
        return chosen.action(arguments)
    except Problem as problem:
        report(problem)
        return problem.exit_code
    except KeyboardInterrupt:
        report(Problem("Stopped by Ctrl-C.", next_step="Run the same command again to continue."))
        return 130
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        report(
            Problem(
                f"The system refused a file operation: {error.strerror or error}{where}.",
                next_step="Check the free disk space and the permissions there, then run the same command again.",
            )
        )
        return 1
