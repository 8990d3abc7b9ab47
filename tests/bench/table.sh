#!/bin/bash
# tests/bench/table.sh [OPTION...]
#
# Measures the agent on a table of 2,277 virtual services with 37,205 real servers beside
# ipvsadm, alternately in one boot of the lab's guest (tests/lab/boot.sh); prints medians
# and the bars, and writes them to target/bench/table.json. OPTION is one of table.py:
#
#   --rounds N         rounds, in each of which both sides fill the table (3)
#   --services N       virtual services (2277)
#   --destinations N   real servers of all of them (37205)
#   --interval TIME    of the check of each real server (10m)
#   --seconds N        length of each of two measurements of resyncs (40)
#
# A round takes three to five minutes where the guest is emulated. This is no test: nothing
# fails by a figure.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
top=$(realpath ../..)
target=$(realpath -m "${CARGO_TARGET_DIR:-$top/target}")
export CARGO_INCREMENTAL=0

cargo build --quiet --locked --release --manifest-path "$top/Cargo.toml"
mkdir -p "$target/bench"
"$top/tests/lab/boot.sh" /usr/bin/python3 table.py --agent "$target/release/lvs-agent" "$@" |
	tee "$target/bench/table.out" | grep -v '^{' || true
[[ ${PIPESTATUS[0]} -eq 0 ]] || exit 1
tail -n 1 "$target/bench/table.out" | /usr/bin/python3 -m json.tool >"$target/bench/table.json"
printf '\nwritten to %s\n' "$target/bench/table.json"
