# slowness MILLISECONDS: how long this machine takes for a fixed piece of work,
# in percent of so many milliseconds. At least 100, for what is faster needs no
# shorter deadlines; at most 1000, for then a deadline would find nothing.
# shellcheck shell=bash
slowness() {
	local started=${EPOCHREALTIME/[.,]/} taken percent i
	for ((i = 0; i < 20; i++)); do
		/bin/true
	done
	taken=$((${EPOCHREALTIME/[.,]/} - started))
	percent=$((taken / ($1 * 10)))
	((percent >= 100)) || percent=100
	((percent <= 1000)) || percent=1000
	echo "$percent"
}
