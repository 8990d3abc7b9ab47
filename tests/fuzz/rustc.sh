#!/bin/bash
# rustc as tests/fuzz wants it (RUSTC_WRAPPER): libFuzzer is told which branches
# are taken in what reads from outside, ours and our libraries', and in nothing
# else. These are flags of LLVM that a stable compiler takes; what needs a
# nightly one, the sanitizers, is left out: there is no unsafe code of ours. Which
# libraries these are is known by the number of code generation units that Cargo.toml
# gives them, and them alone: what cargo builds for others has another name.
coverage=(
	-Cpasses=sancov-module
	-Cllvm-args=-sanitizer-coverage-level=4
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters
	-Cllvm-args=-sanitizer-coverage-pc-table
	-Cllvm-args=-sanitizer-coverage-trace-compares
)
ours=(--cfg fuzzing)
if [[ $* == *"--crate-name lvs_agent "* ]]; then
	exec "$@" "${ours[@]}" "${coverage[@]}"
elif [[ $* == *' codegen-units=32 '* ]]; then
	exec "$@" "${coverage[@]}"
fi
exec "$@"
