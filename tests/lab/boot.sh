#!/bin/bash
# tests/lab/boot.sh COMMAND [ARG...]
#
# Boots a stock Debian kernel, which has IPVS, in an emulated machine and runs
# COMMAND there as root, in the current directory and environment, over the
# host's file system: it sees all of it, and what it writes is gone afterwards.
# /tmp and /run are the guest's own. The output comes as it is written.
#
# Exits with COMMAND's own status; with 124 when LAB_DEADLINE seconds (1500)
# were not enough, and with 125 when the guest could not boot or died.
set -euo pipefail

fail() {
	printf 'lab: %s\n' "$2" >&2
	exit "$1"
}

show_console() {
	printf 'lab: the last lines of %s:\n' "$lab/console.log" >&2
	tail -n 40 "$lab/console.log" | tr -d '\r' >&2
}

# qemu is a child of timeout, which passes the signal on.
# shellcheck disable=SC2317 # the trap calls it
clean_up() {
	if [[ -n ${machine:-} ]]; then
		kill "$machine" 2>/dev/null || true
		wait "$machine" 2>/dev/null || true
	fi
	if [[ -f $job/console.log ]]; then
		mv -f "$job/console.log" "$lab/console.log"
	fi
	rm -rf "$job"
}

(($# > 0)) || fail 125 'usage: tests/lab/boot.sh COMMAND [ARG...]'
deadline=${LAB_DEADLINE:-1500}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=$("$BASH" "$here/prepare.sh")

mkdir -p "$lab/jobs"
job=$(mktemp -d "$lab/jobs/XXXXXX")
machine=
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cp "$here/guest.sh" "$job/guest.sh"
printf '%s\n' "$PWD" "$(dirname "$lab")" "$(realpath "$here/../..")" >"$job/directories"
{
	export -p
	# The guest's /tmp is another one, and so are the terminal and the session.
	printf 'unset TMPDIR DISPLAY SSH_AUTH_SOCK\n'
	printf 'cd -- %q\n' "$PWD"
	printf '%q ' "$@"
	printf '\n'
} >"$job/command"

# no_timer_check: on a busy host the emulated timer may be too late for the
# kernel's trial of it, which then panics ("IO-APIC + timer doesn't work").
kernel_options=(
	console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off nokaslr
	random.trust_cpu=on no_timer_check lab_job="$(basename "$job")"
)
# At the end of its input qemu would hang the port up and drop the output.
mkfifo "$job/stdin"
share=security_model=none,readonly=on,multidevs=remap
timeout --kill-after=10 "$deadline" qemu-system-x86_64 \
	-nodefaults -no-user-config -no-reboot -display none \
	-accel tcg,thread=multi -cpu max -smp 2 -m 2G \
	-kernel "$lab"/kernel/boot/vmlinuz-* -initrd "$lab/initramfs" \
	-append "${kernel_options[*]}" \
	-virtfs "local,path=/,mount_tag=host,$share" \
	-virtfs "local,path=${lab//,/,,},mount_tag=lab,$share" \
	-serial "file:$job/console.log" \
	-device virtio-serial-pci \
	-chardev stdio,id=output,signal=off -device virtserialport,chardev=output \
	-chardev "file,id=status,path=$job/status" -device virtserialport,chardev=status \
	<>"$job/stdin" &
machine=$!
ended=0
wait "$machine" || ended=$?
machine=
[[ -f $job/console.log ]] && mv -f "$job/console.log" "$lab/console.log"

if ((ended == 124 || ended == 137)); then
	show_console
	fail 124 "the guest was not done after $deadline s (LAB_DEADLINE) and was ended"
fi
code=$(cat "$job/status" 2>/dev/null || true)
if [[ ! $code =~ ^[0-9]+$ ]]; then
	show_console
	if grep -q 'Kernel panic' "$lab/console.log"; then
		fail 125 'the guest'\''s kernel panicked'
	fi
	fail 125 "the guest ended without saying how the command ended (qemu: $ended)"
fi
exit "$code"
