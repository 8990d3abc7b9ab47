#!/bin/bash
# deploy/demo.sh
#
# Shows lvs-agent at work: a client, a director and two real servers on one
# network, on a real kernel with IPVS, in an emulated machine. As root on
# Debian 12 with a Rust toolchain. Nothing of this machine is changed but for
# packages that are installed and files below target/.
# Exits with 0 if all went as it should, else with 1.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
log=$target/demo.log

fail() {
	printf '\ndemo: %s\n' "$*" >&2
	exit 1
}

# quietly WHAT COMMAND [ARG...]: shows the output only if the command fails.
quietly() {
	local what=$1 started=$SECONDS
	shift
	printf '  %s ... ' "$what"
	if ! "$@" >"$log" 2>&1; then
		printf 'failed:\n\n'
		cat "$log"
		fail "$what failed; its output is above and in $log"
	fi
	printf 'done (%d s)\n' $((SECONDS - started))
}

# The linker and C library that Rust needs; a toolchain alone brings neither.
install_linker() {
	command -v cc >/dev/null && return
	local install=(apt-get install -qq -y --no-install-recommends gcc libc6-dev)
	export DEBIAN_FRONTEND=noninteractive
	"${install[@]}" || { apt-get update -qq && "${install[@]}"; }
}

((EUID == 0)) || fail 'run it as root: it installs packages and boots a machine over these files'
command -v cargo >/dev/null || fail 'cargo is missing; https://rustup.rs says how to get Rust'
mkdir -p "$target"

cat <<'END'
lvs-agent: one director, two real servers, and a client that keeps reloading

The first run takes five to ten minutes on two processors: it downloads some
150 MB (a Debian kernel, qemu, nginx) and builds the agent. Later runs take
about two. The machine is emulated, so all in it goes some ten times slower
than on yours.

Preparing
END
quietly 'a linker' install_linker
quietly 'the kernel and the packages of the emulated machine' bash tests/lab/prepare.sh
# A release build takes several times as long and shows nothing more.
quietly 'the agent (cargo build, not for release)' cargo build --locked
quietly 'config/cluster.yaml is valid' \
	"$target/debug/lvs-agent" check-config --config config/cluster.yaml

printf '  the machine boots ...\n'
status=0
LAB_DEADLINE=${LAB_DEADLINE:-600} bash tests/lab/boot.sh \
	bash deploy/demo/guest.sh "$target/debug/lvs-agent" || status=$?
case $status in
0) ;;
1) fail 'not all was as it should be: see the lines marked FAILED' ;;
*) fail "the demo did not come to its end (status $status)" ;;
esac
