#!/bin/bash
# The guest's first process, over the host's file system: makes it a machine,
# runs the job, and says how it ended before the power goes off.
# Its argument is the directory that boot.sh made for this run.
job=$1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The ports of the virtio console: the command's output, its exit status, and
# how slow this machine is.
output=$(echo /dev/vport*p1)
status=$(echo /dev/vport*p2)
progress=$(echo /dev/vport*p3)

power_off() {
	echo o >/proc/sysrq-trigger
	while :; do sleep 1; done
}
trap power_off EXIT

# The directories that the command uses may lie where the guest has its own
# tmpfs: bring them back.
own_tmpfs() {
	local path=$1 kept
	shift
	mkdir -p /mnt/whole
	mount --bind / /mnt/whole
	mount -t tmpfs tmpfs "$path"
	for kept in "$@"; do
		[[ $kept == "$path"/* ]] || continue
		mkdir -p "$kept"
		mount --bind "/mnt/whole$kept" "$kept"
	done
	umount /mnt/whole
}

# shellcheck source=tests/lab/slowness.sh
source "$(dirname "$0")/slowness.sh"

mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mapfile -t kept <"$job/directories"
own_tmpfs /run "${kept[@]}"
chmod 755 /run
own_tmpfs /tmp "${kept[@]}"
chmod 1777 /tmp
mkdir -p /run/netns /run/lock
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr

ip link set lo up
echo lab >/proc/sys/kernel/hostname
# IPVS and its schedulers; its application helpers stay out, as on most hosts.
modules=()
for module in "/lib/modules/$(uname -r)"/kernel/net/netfilter/ipvs/*.ko; do
	module=$(basename "$module" .ko)
	[[ $module == ip_vs_ftp || $module == ip_vs_pe_sip ]] || modules+=("$module")
done
modprobe -a "${modules[@]}"

# Emulated on a host that has nothing else to do, this machine starts 20
# programs in 0.45 s. Deadlines are made for that.
TEST_SLOWNESS=$(slowness 500)
export TEST_SLOWNESS
echo "$TEST_SLOWNESS" >"$progress"

# The output goes through one writer, for a port can be opened only once and
# programs reopen /dev/stdout. What outlives the command may hold the pipe.
mkfifo /run/output
cat </run/output >"$output" &
relay=$!
bash "$job/command" </dev/null >/run/output 2>&1
code=$?
for ((i = 0; i < 50; i++)); do
	kill -0 "$relay" 2>/dev/null || break
	sleep 0.1
done
echo "$code" >"$status"
