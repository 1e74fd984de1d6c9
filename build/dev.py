"""The development commands: `python build/dev.py run`, `test`, `check` and so on; the Makefile only forwards here.

Owns the check of the Python that runs it, in words that any Python 3 can parse.
Knows nothing of the commands themselves: those are in recipes/.
"""

import sys

NEEDED = (3, 11, 4)

if __name__ == "__main__":
    if sys.version_info < NEEDED:
        sys.exit(
            "error: llama-sidecar needs Python {0}.{1}.{2} or newer, and {3} is Python {4}.{5}.{6}.\n"
            "  Install a newer one and name it: make PYTHON=/path/to/python{0}.{1}, "
            "or: python{0}.{1} build/dev.py".format(*NEEDED, sys.executable, *sys.version_info[:3])
        )
    from recipes.commands import main
    from recipes.processes import stop_on_sigterm

    stop_on_sigterm()
    sys.exit(main(sys.argv[1:]))
