#!/bin/bash
# tests/bench/library.sh [criterion|instructions] [-- OPTION...]
#
# Measures single steps of the library alone: the schedule, the request and the answer of a probe,
# the codec of IPVS, the health decisions, and the diff of a large table.
#
#   instructions   counts the instructions of each step by callgrind, which the load of the machine
#                  does not change, and compares them with library/instructions.json. With the
#                  OPTION --update, the counts of now are written there.
#   criterion      the time of each step, by Criterion; OPTION is one of Criterion's, such as a part
#                  of the names
#
# Both without a name. Installs valgrind with apt, as tests/run.sh does. This is no test: nothing
# fails by a figure.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/library"
top=$(realpath ../../..)
target=$(realpath -m "${CARGO_TARGET_DIR:-$top/target}")
export CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=$target/bench RUSTC_WRAPPER=$PWD/rustc.sh

names=()
while (($# > 0)) && [[ $1 != -- ]]; do
	names+=("$1")
	shift
done
(($# == 0)) || shift
((${#names[@]} > 0)) || names=(instructions criterion)

# The versions that lvs-agent is locked to; Criterion's own is in Cargo.toml.
cp "$top/Cargo.lock" Cargo.lock
for name in "${names[@]}"; do
	case $name in
	instructions)
		command -v valgrind >/dev/null ||
			apt-get install -qq -y --no-install-recommends valgrind >/dev/null
		cargo build --quiet --release
		/usr/bin/env python3 instructions.py "$target/bench/release/lvs-agent-bench-library" "$@"
		;;
	criterion) cargo bench --quiet --bench steps -- "$@" ;;
	*)
		sed -n '2,17s/^# \{0,1\}//p' ../library.sh >&2
		exit 2
		;;
	esac
done
