#!/bin/bash
# deploy/package/build.sh [--binary FILE] [--version VERSION] [--output DIRECTORY] [--fast]
#
# Builds the Debian package of lvs-agent with cargo-deb, which must be installed
# (`cargo install --locked cargo-deb`), and prints the path of the package.
#
# --binary    packs this program; without the option the script builds a release
# --version   the version of the package; else that of Cargo.toml, with the revision 1
# --output    where the package is written; else target/package
# --fast      a larger package in less time, for tests
set -euo pipefail

fail() {
	printf 'build.sh: %s\n' "$*" >&2
	exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# The assets of [package.metadata.deb] lie here, wherever CARGO_TARGET_DIR is.
stage=target/package/stage
binary=''
version=''
output=target/package
options=()
while (($# > 0)); do
	case $1 in
	--binary | --version | --output)
		(($# > 1)) || fail "$1 needs a value"
		declare "${1#--}=$2"
		shift 2
		;;
	--fast)
		options+=(--fast)
		shift
		;;
	*) fail "unknown argument $1; the first lines of this script list the arguments" ;;
	esac
done
command -v cargo-deb >/dev/null ||
	fail 'cargo-deb is missing; install it: cargo install --locked cargo-deb'
if [[ -z $version ]]; then
	version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)-1
fi
if [[ -z $binary ]]; then
	cargo build --release --locked >&2
	binary=${CARGO_TARGET_DIR:-target}/release/lvs-agent
fi
[[ -x $binary ]] || fail "$binary is no program"

rm -rf "$stage"
mkdir -p "$stage"/{man,completions,units} "$output"
cp "$binary" "$stage/lvs-agent"
strip --strip-unneeded "$stage/lvs-agent"
"$binary" man "$stage/man"
for shell in bash zsh fish; do
	"$binary" completions "$shell" >"$stage/completions/$shell"
done
"$binary" schema >"$stage/config.schema.json"

# The units as packaged: the program of the package, and no instructions for an
# installation by hand.
for unit in deploy/*.service; do
	packaged=$stage/units/${unit##*/}
	sed -e '1,/^\[Unit\]/{/^#/d}' -e 's,/usr/local/bin/lvs-agent,/usr/bin/lvs-agent,g' \
		"$unit" >"$packaged"
	! grep -n /usr/local "$packaged" >&2 || fail "$unit names a path of /usr/local"
	grep -q '^ExecStart=/usr/bin/lvs-agent run' "$packaged" ||
		fail "$unit does not run /usr/local/bin/lvs-agent"
done

maintainer=$(sed -n '/^\[package.metadata.deb\]/,/^\[/s/^maintainer = "\(.*\)"/\1/p' Cargo.toml)
date=$(date -R -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")
cat >"$stage/changelog.Debian" <<END
lvs-agent ($version) unstable; urgency=medium

  * Version ${version%-*}; changelog.gz has the changes.

 -- $maintainer  $date
END
# The libraries that the program contains, with their licences.
cargo tree --locked --edges normal --prefix none --format '{p}: {l}' |
	sed -e 's/ (proc-macro)//' -e '/^lvs-agent /d' | LC_ALL=C sort -u >"$stage/LIBRARIES"

package=$output/lvs-agent_${version}_$(dpkg --print-architecture).deb
# The profile is only how cargo-deb looks for programs, and there is none to build.
cargo deb --quiet --locked --no-build --no-strip "${options[@]}" --deb-version "$version" \
	--output "$package" >&2
[[ -s $package ]] || fail "cargo-deb has not written $package"
printf '%s\n' "$package"
