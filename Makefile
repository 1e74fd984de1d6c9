# Forwards to build/dev.py, where the recipes are. On Windows, and wherever make is missing:
# python build/dev.py run

ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' >/dev/null 2>&1 && echo "$$python" && break; done)
endif
ifeq ($(PYTHON),)
$(error Python 3.11.4 or newer was not found. Install it, or say where it is: make PYTHON=/path/to/python3.11)
endif

COMMANDS := run web app setup test check format llama-cpp test-native freeze test-frozen bundle test-desktop test-bundle bench kill-matrix fuzz headers torture slow-host hostile-names killed-downloads stranger soak memory-trial page-trial trust-report lock clean
MAKEFLAGS += --no-print-directory

.PHONY: help $(COMMANDS)

help:
	@$(PYTHON) build/dev.py --help

# More arguments go in ARGS: make test ARGS="-k framing"
$(COMMANDS):
	@$(PYTHON) build/dev.py $@ $(ARGS)
