#!/bin/bash
# tests/lab/boot.sh COMMAND [ARG...]
#
# Boots a stock Debian kernel, which has IPVS, in a virtual machine (emulated
# where KVM does not work) and runs COMMAND there as root, in the current
# directory and environment, over the host's file system: it sees all of it, and
# what it writes is gone afterwards. /tmp and /run are the guest's own. The
# output comes as it is written; progress is told on standard error.
#
# The guest measures its own speed once. LAB_DEADLINE seconds (2100) are for a
# guest of the usual speed: a slower one has more, up to LONGEST seconds.
# COMMAND finds the factor as a percentage in TEST_SLOWNESS.
#
# Exits with COMMAND's own status; with 124 when that time was not enough, and
# with 125 when the guest could not boot or died.
set -euo pipefail

# One that boots at all has done so by then, however busy the host.
BOOT_DEADLINE=300
# What CI has for all of its stages is 90 minutes. A busy machine may take longer.
LONGEST=${CI:+3900}
LONGEST=${LONGEST:-10800}

fail() {
	printf 'lab: %s\n' "$2" >&2
	exit "$1"
}

show_console() {
	printf 'lab: the last lines of %s:\n' "$lab/console.log" >&2
	tail -n 40 "$lab/console.log" | tr -d '\r' >&2
}

tell() {
	printf 'lab: %s\n' "$*" >&2
}

still_preparing() {
	local begun=$SECONDS
	while sleep 20; do
		tell "still preparing after $((SECONDS - begun)) s: kernel and packages are downloaded and unpacked once"
	done
}

# /dev/kvm may be there and not work, as in a virtual machine that has none to
# give: only a kernel that writes its first line on it tells. Without a root
# file system the kernel panics at once, and the machine ends.
kvm_works() {
	[[ -w /dev/kvm ]] || return
	tell 'trying KVM'
	# In a shell of its own, which would tell that qemu aborts.
	(
		timeout --kill-after=2 10 qemu-system-x86_64 \
			-nodefaults -no-user-config -no-reboot -display none \
			-accel kvm -cpu host -m 256M \
			-kernel "$lab"/kernel/boot/vmlinuz-* -append 'console=ttyS0 panic=-1' \
			-serial "file:$job/kvm.log" </dev/null || true
	) >/dev/null 2>&1
	grep -q 'Linux version' "$job/kvm.log" 2>/dev/null
}

# Tells once a minute that the guest still works, and ends it when its time is
# over: its first line on the port `progress` says what its speed is.
watch_guest() {
	local machine=$1 slowness='' told=0 limit=$BOOT_DEADLINE
	SECONDS=0
	while kill -0 "$machine" 2>/dev/null; do
		if [[ -z $slowness ]] && slowness=$(grep -m1 -x '[0-9][0-9]*' "$job/progress" 2>/dev/null); then
			limit=$((SECONDS + deadline * slowness / 100))
			((limit <= LONGEST)) || limit=$LONGEST
			tell "the guest is up after $SECONDS s; it is given $limit s in all" \
				"(it takes $slowness % of the usual time)"
		fi
		if ((SECONDS - told >= 60)); then
			told=$SECONDS
			tell "$SECONDS s of at most $limit s"
		fi
		if ((SECONDS >= limit)); then
			echo "$limit" >"$job/late"
			kill "$machine" 2>/dev/null || true
			sleep 10
			kill -KILL "$machine" 2>/dev/null || true
			return
		fi
		sleep 1
	done
}

# shellcheck disable=SC2317 # the trap calls it
clean_up() {
	local child
	for child in ${watcher:-} ${machine:-}; do
		kill "$child" 2>/dev/null || true
		wait "$child" 2>/dev/null || true
	done
	if [[ -f $job/console.log ]]; then
		mv -f "$job/console.log" "$lab/console.log"
	fi
	rm -rf "$job"
}

# The programs that tests start over and over. Each file that is opened over the
# share costs an emulated machine some 20 ms, and a program opens a dozen.
programs=(
	bash cat curl date dnsmasq grep ip ipvsadm modprobe nft nginx ping
	setpriv sh sleep ss sysctl systemctl tcpdump true unshare
)

# Copies these with their libraries below $1, for the guest's memory.
copy_programs() {
	local to=$1 root=$lab/root file directory
	local libraries=$root/usr/lib/x86_64-linux-gnu
	{
		echo /etc/ld.so.cache
		for file in "${programs[@]}"; do
			file=$(PATH=$root/usr/sbin:$root/usr/bin:$PATH:/usr/sbin type -P "$file") || continue
			echo "$file"
			LD_LIBRARY_PATH=$libraries ldd "$file" | grep -o '/[^ ]*' || true
		done
	} | sort -u | while IFS= read -r file; do
		# A path such as /lib is a link on the host and in the guest.
		directory=$(realpath "$(dirname "${file#"$root"}")" 2>/dev/null) || continue
		mkdir -p "$to$directory"
		cp -L --preserve=mode "$file" "$to$directory/"
	done
}

(($# > 0)) || fail 125 'usage: tests/lab/boot.sh COMMAND [ARG...]'
deadline=${LAB_DEADLINE:-2100}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
still_preparing &
watcher=$!
lab=$("$BASH" "$here/prepare.sh") || ended=$?
kill "$watcher"
watcher=
((${ended:-0} == 0)) || exit "$ended"

mkdir -p "$lab/jobs"
job=$(mktemp -d "$lab/jobs/XXXXXX")
machine=
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cp "$here/guest.sh" "$here/slowness.sh" "$job"
printf '%s\n' "$PWD" "$(dirname "$lab")" "$(realpath "$here/../..")" >"$job/directories"
mkdir "$job/programs"
copy_programs "$job/programs"
{
	# The guest has a speed of its own.
	(
		unset TEST_SLOWNESS
		export -p
	)
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
if kvm_works; then
	accelerator=(-accel kvm -cpu host)
	tell 'booting the guest with KVM'
else
	accelerator=(-accel 'tcg,thread=multi' -cpu max)
	tell 'booting the guest in emulation, for KVM does not work here'
fi
# At the end of its input qemu would hang the port up and drop the output.
mkfifo "$job/stdin"
share=security_model=none,readonly=on,multidevs=remap
# On a busy host, four processors have a greater share of it than two.
qemu-system-x86_64 \
	-nodefaults -no-user-config -no-reboot -display none \
	"${accelerator[@]}" -smp 4 -m 2G \
	-kernel "$lab"/kernel/boot/vmlinuz-* -initrd "$lab/initramfs" \
	-append "${kernel_options[*]}" \
	-virtfs "local,path=/,mount_tag=host,$share" \
	-virtfs "local,path=${lab//,/,,},mount_tag=lab,$share" \
	-serial "file:$job/console.log" \
	-device virtio-serial-pci \
	-chardev stdio,id=output,signal=off -device virtserialport,chardev=output \
	-chardev "file,id=status,path=$job/status" -device virtserialport,chardev=status \
	-chardev "file,id=progress,path=$job/progress" -device virtserialport,chardev=progress \
	<>"$job/stdin" &
machine=$!
watch_guest "$machine" &
watcher=$!
ended=0
wait "$machine" || ended=$?
machine=
[[ -f $job/console.log ]] && mv -f "$job/console.log" "$lab/console.log"

if [[ -f $job/late ]]; then
	show_console
	fail 124 "the guest was not done after $(<"$job/late") s and was ended"
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
