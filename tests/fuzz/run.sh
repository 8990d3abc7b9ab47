#!/bin/bash
# tests/fuzz/run.sh [TARGET...]
#
# Builds the fuzz targets and runs all of them, or those named, for FUZZ_SECONDS
# (20) each, two at a time, beginning with corpus/TARGET. They are guided by
# what libFuzzer sees of the code (see rustc.sh); a stable compiler is enough.
#
# A panic, a run of more than 10 s and more than 1 GiB of memory are failures:
# the input is left in target/fuzz, and the command that runs it again is shown.
# What is found for good goes into corpus/TARGET, mended first.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
top=$(realpath ../..)
target=$(realpath -m "${CARGO_TARGET_DIR:-$top/target}")
seconds=${FUZZ_SECONDS:-20}
names=("$@")
((${#names[@]} > 0)) || for name in corpus/*/; do names+=("$(basename "$name")"); done
left=$target/fuzz
mkdir -p "$left"

# The versions that lvs-agent is locked to; libFuzzer's own stand in Cargo.toml.
cp "$top/Cargo.lock" Cargo.lock
CARGO_INCREMENTAL=0 RUSTC_WRAPPER=$PWD/rustc.sh CARGO_TARGET_DIR=$target \
	cargo build --quiet || exit

run() {
	local name=$1 work status=0
	local inputs=("corpus/$name")
	# There are enough whole configurations, right and wrong, for the tests.
	[[ $name != configuration ]] ||
		inputs+=(../config/{good,broken,warned} ../../config)
	work=$(mktemp -d)
	FUZZ_TARGET=$name "$target/debug/lvs-agent-fuzz" "$work" "${inputs[@]}" \
		-max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
		-artifact_prefix="$left/$name-" >"$left/$name.log" 2>&1 || status=1
	rm -rf "$work"
	# One that sees nothing of the code, or ran nothing, proves nothing.
	if ((status == 0)) && ! grep -q '^#.* cov: [0-9]\{2,\}' "$left/$name.log"; then
		echo "$name: nothing was seen of the code" && status=1
	fi
	if ((status == 0)); then
		sed -n "s/^#.* cov: \([0-9]*\) .*/\1/p" "$left/$name.log" | tail -n 1 |
			xargs -I{} echo "$name: $(grep -o 'Done .*' "$left/$name.log"), {} branches seen"
		return
	fi
	tail -n 40 "$left/$name.log"
	local input
	input=$(grep -o "$left/$name-[a-z]*-[0-9a-f]*" "$left/$name.log" | tail -n 1)
	echo "FAILED: $name; again: FUZZ_TARGET=$name $target/debug/lvs-agent-fuzz $input"
	return 1
}

failed=0
running=0
for name in "${names[@]}"; do
	if ((running == 2)); then
		wait -n || failed=1
		running=$((running - 1))
	fi
	run "$name" &
	running=$((running + 1))
done
while ((running > 0)); do
	wait -n || failed=1
	running=$((running - 1))
done
exit "$failed"
