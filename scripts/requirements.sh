#!/usr/bin/env bash
# Says what this machine lacks before anything is installed.   usage: scripts/requirements.sh PYTHON
set -u
fail=0
say() { echo "crowdproof: $1" >&2; fail=1; }
if ! command -v "$1" >/dev/null; then
  say "'$1' is not found: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3"
elif ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "'$1' is $("$1" --version 2>&1): Python 3.11 or newer is needed; name one: make PYTHON=python3.11"
elif ! "$1" -c 'import venv, ensurepip' 2>/dev/null; then
  say "'$1' cannot make virtual environments: install its venv package (python3-venv on Debian)"
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  say "Node or npm is not found: install Node 20 or newer"
elif ! node -e "process.exit(Number(process.versions.node.split(String.fromCharCode(46))[0]) < 20 ? 1 : 0)"; then
  say "Node is $(node --version): 20 or newer is needed"
fi
exit $fail
