#!/usr/bin/env bash
# A solver for halmos: yices, and z3 for what keeps yices longer (it needs a minute for one path of claimMany, where yices finds no end).
# usage: solver.sh FILE.smt2     (both come with halmos, in its own environment)
bin="$(dirname "$0")/../build/halmos/bin"
timeout 90 "$bin/yices-smt2" --smt2-model-format --bvconst-in-decimal "$1" || { [ $? -eq 124 ] && "$bin/z3" "$1"; }
