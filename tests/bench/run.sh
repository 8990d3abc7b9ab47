#!/bin/bash
# tests/bench/run.sh [NAME...] [-- OPTION...]
#
# Measures the agent against HAProxy and against a bare epoll loop on this host, prints a
# table of medians and ratios, and writes them to target/bench/figures.json. All figures, or
# those named: probe slow scrape instructions deaths (see bench.py). OPTION is one of bench.py:
#
#   --rounds N     rounds of each comparison, both sides of which alternate (5)
#   --servers N    real servers, each probed every second (5000)
#   --seconds N    length of the measurement of one side in one round (8)
#   --realtime     runs all that is measured ahead of the other work of the host
#
# Installs with apt what it needs, as tests/run.sh does. This is no test: nothing fails by a
# figure.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
top=$(realpath ../..)
target=$(realpath -m "${CARGO_TARGET_DIR:-$top/target}")
export CARGO_INCREMENTAL=0 DEBIAN_FRONTEND=noninteractive

complain() {
	printf 'run.sh: %s\n' "$*" >&2
	exit 1
}

# need COMMAND PACKAGE
need() {
	command -v "$1" >/dev/null && return
	local install=(apt-get install -qq -y --no-install-recommends "$2")
	((EUID == 0)) || complain "$1 is missing: apt-get install $2"
	"${install[@]}" >/dev/null || { apt-get update -qq && "${install[@]}" >/dev/null; } ||
		complain "apt cannot install $2; install it by hand: apt-get install $2"
}

names=()
while (($# > 0)) && [[ $1 != -- ]]; do
	names+=("$1")
	shift
done
(($# == 0)) || shift

need nginx nginx-light
need haproxy haproxy
need taskset util-linux
need python3 python3
[[ " ${names[*]-} " != *' instructions '* ]] || need valgrind valgrind

cargo build --quiet --locked --release --manifest-path "$top/Cargo.toml" || exit
# The versions that lvs-agent is locked to.
cp "$top/Cargo.lock" Cargo.lock
CARGO_TARGET_DIR=$target/bench cargo build --quiet --release || exit
exec python3 bench.py --agent "$target/release/lvs-agent" --programs "$target/bench/release" \
	--output "$target/bench/figures.json" "$@" "${names[@]}"
