#!/bin/bash
# Brings everything the lab boots into target/lab, once: a stock Debian kernel
# with its modules, the packages that the host lacks, and an initramfs. What
# the guest needs is unpacked there and never installed on the host.
# Prints the directory's path. A second run downloads and unpacks nothing.
set -euo pipefail

# Where the kernel of this package has no modules, or no IPVS, there is no lab.
kernel_package=linux-image-amd64
# Unpacked with those of their dependencies that the host does not have.
guest_packages=(
	arping curl dnsmasq-base etcd-server ipvsadm iproute2 iputils-ping keepalived
	kmod nftables nginx-light openssl postfix procps redis-server socat systemd
	tcpdump
)
# Unpacked alone: what is used of them needs no other package.
lone_packages=(busybox-static prometheus)
# Loaded by the initramfs to reach the host's files and the caller's terminal.
boot_modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay)

fail() {
	printf 'lab: %s\n' "$*" >&2
	exit 125
}

# Package lists may be missing (a fresh machine) or old: update and try again.
apt() {
	local options=(-qq -y -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0)
	apt-get "${options[@]}" "$@" >"$lab/apt.log" 2>&1 && return
	apt-get "${options[@]}" update >>"$lab/apt.log" 2>&1 || true
	apt-get "${options[@]}" "$@" >>"$lab/apt.log" 2>&1 && return
	cat "$lab/apt.log" >&2
	return 1
}

# The unpacked tree is laid out like the host's merged /usr, for a real /lib in
# it would hide the host's; dpkg-deb -x alone would put one in the link's place.
unpack() {
	local to=$1 link deb
	shift
	rm -rf "$to"
	for link in bin lib lib64 sbin; do
		mkdir -p "$to/usr/$link"
		ln -s "usr/$link" "$to/$link"
	done
	for deb in "$@"; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$to"
	done
}

install_host_packages() {
	command -v qemu-system-x86_64 >/dev/null && return
	apt install --no-install-recommends qemu-system-x86 ||
		fail 'apt cannot install qemu-system-x86; install it by hand: apt-get install qemu-system-x86'
}

download() {
	local image
	rm -rf "$lab/packages"
	mkdir -p "$lab/packages/partial"
	apt install --no-install-recommends --download-only \
		-o Dir::Cache::archives="$lab/packages" "${guest_packages[@]}" ||
		fail "apt cannot download ${guest_packages[*]} for the guest"
	cd "$lab/packages"
	apt download "${lone_packages[@]}" ||
		fail "apt cannot download ${lone_packages[*]} for the guest"
	mkdir kernel
	cd kernel
	image=$(apt-cache depends "$kernel_package" | awk '/Depends: linux-image-/ { print $2; exit }')
	[[ -n $image ]] || fail "apt knows no kernel behind $kernel_package"
	apt download "$image" || fail "apt cannot download $image"
}

depmod_and_modprobe() {
	local kmod
	kmod=$(command -v kmod) || kmod=$lab/root/bin/kmod
	modules=$lab/kernel/lib/modules
	version=$(basename "$modules"/*)
	LD_LIBRARY_PATH=$lab/root/usr/lib/x86_64-linux-gnu bash -c \
		'exec -a depmod "$0" -b "$1" "$2"' "$kmod" "$lab/kernel" "$version"
	LD_LIBRARY_PATH=$lab/root/usr/lib/x86_64-linux-gnu bash -c \
		'exec -a modprobe "$0" -a -d "$1" -S "$2" --show-depends "${@:3}"' \
		"$kmod" "$lab/kernel" "$version" "${boot_modules[@]}" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$lab/kernel/boot-modules"
}

build_initramfs() {
	local tree=$lab/initramfs.tree module
	rm -rf "$tree"
	mkdir -p "$tree"/{bin,dev,proc,sys,modules}
	cp "$lab/root/bin/busybox" "$tree/bin/busybox"
	cp "$here/init" "$tree/init"
	chmod +x "$tree/init"
	while read -r module; do
		cp "$module" "$tree/modules/"
		basename "$module" >>"$tree/modules/order"
	done <"$lab/kernel/boot-modules"
	# Not compressed: unpacking would cost the emulated processor more time.
	(cd "$tree" && find . | "$lab/root/bin/busybox" cpio -o -H newc 2>/dev/null) \
		>"$lab/initramfs"
	rm -rf "$tree"
}

prepare() {
	install_host_packages
	download
	unpack "$lab/root" "$lab"/packages/*.deb
	unpack "$lab/kernel" "$lab"/packages/kernel/*.deb
	depmod_and_modprobe
	build_initramfs
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}")/lab

((EUID == 0)) || fail 'the lab needs root: qemu serves the host'\''s files to the guest as this user'
[[ $(uname -m) == x86_64 ]] || fail "the lab boots an x86_64 kernel, and this is $(uname -m)"
for command in apt-get apt-cache dpkg-deb; do
	command -v "$command" >/dev/null ||
		fail "the lab needs Debian 12 (it lacks $command): it takes its kernel and packages with apt"
done

mkdir -p "$lab"
exec 9>"$lab/lock"
flock 9
# The content decides: a change to what is downloaded or booted prepares anew.
wanted=$(sha256sum "$here/prepare.sh" "$here/init" | awk '{ print $1 }')
if [[ $(cat "$lab/prepared" 2>/dev/null) != "$wanted" ]] ||
	! command -v qemu-system-x86_64 >/dev/null; then
	printf 'lab: preparing %s\n' "$lab" >&2
	rm -f "$lab/prepared"
	prepare
	printf '%s\n' "$wanted" >"$lab/prepared"
fi
printf '%s\n' "$lab"
