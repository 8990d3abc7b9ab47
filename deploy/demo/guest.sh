#!/bin/bash
# shellcheck disable=SC2317 # expect, within and must call functions by name
#
# deploy/demo/guest.sh PROGRAM
#
# The demo itself, in the machine that demo.sh boots: builds the LAN of the
# how-to out of network namespaces, each a machine to the programs in it, and
# runs PROGRAM on the director and both real servers with config/cluster.yaml.
# Exits with 1 if an expectation was not met.
set -uo pipefail

program=$1
vip=192.168.11.200
work=/tmp/demo
# The emulator is slow and its host may be busy: far more than any wait needs.
patience=60
# The configuration's interval, timeout and fall make it 4 s at most; the rest
# is for the emulator.
detection=15

declare -A address=([client]=192.168.11.1 [director]=192.168.11.10 [rs1]=192.168.11.21 [rs2]=192.168.11.22)
declare -A machine agent web log
failed=()
expectations=0
number=0

step() {
	number=$((number + 1))
	printf '\n%d. %s\n\n' "$number" "$1"
}

# A line each; an empty one gets no indentation.
say() {
	local line
	for line; do
		printf '%s\n' "${line:+   $line}"
	done
}

# expect WHAT COMMAND [ARG...]: the command tells whether it is so.
expect() {
	local what=$1
	shift
	expectations=$((expectations + 1))
	if "$@"; then
		printf '   ok      %s\n' "$what"
	else
		printf '   FAILED  %s\n' "$what"
		failed+=("$what")
	fi
}

# within SECONDS COMMAND [ARG...]
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# on HOST COMMAND [ARG...]
on() {
	local host=$1
	shift
	nsenter --target "${machine[$host]}" --net --mount -- "$@"
}

# The same for what runs on in the background: $! is then its own process id.
become_on() {
	local host=$1
	shift
	exec nsenter --target "${machine[$host]}" --net --mount -- "$@"
}

# A machine of its own to those who run there: its network, and its own /run
# and /var/lib for the agent. It lives as long as this process.
start_machine() {
	local host=$1
	ip netns add "$host"
	ip link add eth0 netns "$host" type veth peer name "$host"
	ip link set "$host" master br0 up
	ip -n "$host" -batch - <<-END
		link set lo up
		addr add ${address[$host]}/24 dev eth0
		link set eth0 up
	END
	# shellcheck disable=SC2016 # the inner shell expands it
	ip netns exec "$host" unshare --mount bash -c '
		mount -t tmpfs tmpfs /run/lvs-agent
		mount -t tmpfs tmpfs /var/lib/lvs-agent
		: >"$0/up"
		exec sleep infinity' "$work/$host" >/dev/null 2>&1 &
	machine[$host]=$!
	within "$patience" test -e "$work/$host/up"
}

# One nginx process, so that killing it by its id kills the web server.
start_web() {
	local host=$1 at=$work/$1
	printf '%s' "$host" >"$at/index.html"
	cat >"$at/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $at/nginx.pid;
		events {}
		http {
			access_log off;
			client_body_temp_path $at/body;
			proxy_temp_path $at/proxy;
			fastcgi_temp_path $at/fastcgi;
			uwsgi_temp_path $at/uwsgi;
			scgi_temp_path $at/scgi;
			server {
				listen 80;
				root $at;
			}
		}
	END
	become_on "$host" nginx -e "$at/nginx.log" -c "$at/nginx.conf" >/dev/null 2>&1 &
	web[$host]=$!
}

page() {
	[[ $(on "$1" curl --silent --max-time 20 http://127.0.0.1/) == "$1" ]]
}

# start_agent HOST [ARG...]
start_agent() {
	local host=$1 file=$work/$1/agent.log fd
	shift
	: >"$file"
	become_on "$host" lvs-agent run "$@" >"$file" 2>&1 &
	agent[$host]=$!
	exec {fd}<"$file"
	log[$host]=$fd
}

# Shows what a host's agent has logged since the last look, without the date.
show_log() {
	local host=$1 line
	while IFS= read -r -u "${log[$host]}" line; do
		[[ $line =~ ^[0-9-]+T([0-9:]+)[0-9.]*Z\ +([A-Z]+)\ +[a-z_:]+:\ (.*)$ ]] &&
			line="${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${BASH_REMATCH[3]}"
		printf '       %-8s | %s\n' "$host" "$line"
	done
}

indent() {
	local line
	while IFS= read -r line; do
		line=${line%"${line##*[! ]}"}
		printf '%s\n' "${line:+       $line}"
	done
}

show_table() {
	printf '       director# ipvsadm -Ln\n'
	on director ipvsadm -Ln | indent
}

# has_weight REAL_SERVER WEIGHT
has_weight() {
	local table
	table=$(on director ipvsadm -Sn)
	[[ $table == *"-r ${address[$1]}:80 -g -w $2"$'\n'* || $table == *"-r ${address[$1]}:80 -g -w $2" ]]
}

both_have_weight() {
	has_weight rs1 1 && has_weight rs2 1
}

# The client's requests so far, a line each: when its answer came, what it was,
# and curl's exit code. Every request is a connection of its own.
start_client() {
	mkfifo "$work/answers.pipe"
	: >"$work/answers"
	become_on client stdbuf --output=L curl --silent --rate 4/s --max-time 20 \
		--header 'Connection: close' --write-out '|%{exitcode}\n' \
		"http://$vip/index.html?[1-100000]" >"$work/answers.pipe" 2>/dev/null &
	while IFS='|' read -r answer code; do
		printf '%s %s %s\n' "${EPOCHREALTIME/./}" "${answer:--}" "$code"
	done <"$work/answers.pipe" >"$work/answers" 2>/dev/null &
}

# Counts the client's answers after the instant SINCE (µs): total, failed, and
# one variable for each page.
count_answers() {
	local since=$1 at answer code
	count=([total]=0 [failed]=0 [rs1]=0 [rs2]=0 [director]=0)
	recent=()
	while read -r at answer code; do
		((at > since)) || continue
		count[total]=$((count[total] + 1))
		if [[ $code == 0 && $answer == @(rs1|rs2|director) ]]; then
			count[$answer]=$((count[$answer] + 1))
		else
			count[failed]=$((count[failed] + 1))
			answer=failed
		fi
		recent+=("$answer")
	done <"$work/answers"
}
declare -A count
recent=()

# answers_since SINCE NUMBER
answers_since() {
	count_answers "$1"
	((count[total] >= $2))
}

# answered_by SINCE REAL_SERVER NUMBER
answered_by() {
	count_answers "$1"
	((count[$2] >= $3))
}

show_answers() {
	local last=("${recent[@]: -16}")
	say "The client's last answers: ${last[*]}"
}

is() {
	(($1))
}

director_answers_arp() {
	local mac seen
	mac=$(on director cat /sys/class/net/eth0/address)
	seen=$(on client ip neigh show "$vip")
	[[ -n $mac && $seen == *"lladdr $mac "* ]]
}

has_vip_on_lo() {
	[[ $(on "$1" ip -o address show dev lo label lo:0) == *"$vip/32"* ]]
}

has_sysctls() {
	local values
	values=$(on "$1" sysctl -n net.ipv4.conf.{all,lo}.arp_{ignore,announce} net.ipv4.conf.default.rp_filter)
	[[ $values == $'1\n2\n1\n2\n1' ]]
}

# nothing_to_change HOST [ARG...]
nothing_to_change() {
	local host=$1 said status=0
	shift
	said=$(on "$host" lvs-agent plan "$@" 2>&1) || status=$?
	[[ $status == 0 && $said == 'nothing to change' ]] && return
	indent <<<"$said"
	return 1
}

# The agent ends with 0 when it is told to.
ends_well() {
	local status=0
	kill "${agent[$1]}"
	wait "${agent[$1]}" || status=$?
	return "$status"
}

# What is still running belongs to this machine, whose power goes off next.
finish() {
	printf '\nSummary\n\n'
	if ((${#failed[@]} > 0)); then
		say "${#failed[@]} of $expectations expectations were not met:"
		printf '   - %s\n' "${failed[@]}"
		for host in director rs1 rs2; do
			[[ -n ${log[$host]:-} ]] && show_log "$host"
		done
		exit 1
	fi
	count_answers 0
	say "All $expectations expectations were met. Of the client's ${count[total]} requests" \
		"rs1 answered ${count[rs1]}, rs2 ${count[rs2]}, and the director none;" \
		"${count[failed]} failed, and none since the weight of rs1 was 0."
	exit 0
}

must() {
	"$@" && return
	printf '\n   The demo cannot go on: %s\n' "$*"
	failed+=("$*")
	finish
}

mkdir -p "$work"/{client,director,rs1,rs2} /run/lvs-agent /var/lib/lvs-agent /etc/lvs-agent
cp config/cluster.yaml /etc/lvs-agent/config.yaml
ln -s "$program" /usr/local/bin/lvs-agent

step 'Four machines on one switch'
say "client    ${address[client]}" \
	"director  ${address[director]}     the VIP $vip will be on its eth0" \
	"rs1       ${address[rs1]}     and on the real servers' lo, where nobody" \
	"rs2       ${address[rs2]}     may ask for it by ARP" '' \
	'Each of director, rs1 and rs2 has a web server whose page is its name.' \
	'All three have the same /etc/lvs-agent/config.yaml: config/cluster.yaml.' ''
ip link add br0 type bridge
ip link set br0 up
for host in client director rs1 rs2; do
	must start_machine "$host"
done
for host in director rs1 rs2; do
	start_web "$host"
done
for host in director rs1 rs2; do
	expect "$host's web server shows its own page" within "$patience" page "$host"
done

step 'The agents on the real servers: lvs-agent run --real-server'
say 'Each finds its own address in the configuration, sets the ARP parameters,' \
	'and only then puts the VIP on lo.' ''
for host in rs1 rs2; do
	start_agent "$host" --real-server
done
for host in rs1 rs2; do
	expect "$host has the VIP on lo, with label lo:0" within "$patience" has_vip_on_lo "$host"
	expect "$host has the five kernel parameters" has_sysctls "$host"
	show_log "$host"
done

step 'The agent on the director: lvs-agent run'
say 'It makes the table. A real server starts with weight 0, which gets nothing,' \
	'and gets its weight when two probes in a row (rise: 2) have passed.' ''
start_agent director
expect 'both real servers have weight 1' within "$patience" both_have_weight
show_log director
echo
show_table

step 'A client that keeps reloading'
say "It fetches http://$vip/index.html four times a second, each time" \
	'over a new connection. The director hands them out in turn, and the real' \
	'servers answer the client directly.' ''
began=${EPOCHREALTIME/./}
start_client
must within "$patience" answers_since "$began" 16
show_answers
echo
expect 'rs1 answers' is 'count[rs1] > 0'
expect 'rs2 answers' is 'count[rs2] > 0'
expect 'they share the requests evenly' is '3 * count[rs1] >= count[total] && 3 * count[rs2] >= count[total]'
expect 'the director never answers' is 'count[director] == 0'
expect 'no request fails' is 'count[failed] == 0'
expect "the client's ARP table has the director's MAC address for the VIP" director_answers_arp

step "rs1's web server is killed"
say 'What is sent to rs1 now is refused. When three probes in a row have failed' \
	'(fall: 3), the agent sets the weight of rs1 to 0, and nothing is.' ''
killed=${EPOCHREALTIME/./}
kill -KILL "${web[rs1]}"
wait "${web[rs1]}" 2>/dev/null
expect "the weight of rs1 is 0 within $detection s" within "$detection" has_weight rs1 0
down=${EPOCHREALTIME/./}
show_log director
must within "$patience" answers_since "$down" 16
count_answers "$killed"
echo
took=$(((down - killed) / 100000))
say "That took $((took / 10)).$((took % 10)) s. Requests that failed meanwhile: ${count[failed]}."
count_answers "$down"
show_answers
echo
expect 'no request fails after that' is 'count[failed] == 0'
expect 'rs2 answers all of them' is 'count[rs2] == count[total]'
echo
show_table

step "rs1's web server comes back"
say 'Nobody touches the director: two probes in a row have to pass.' ''
start_web rs1
expect 'the weight of rs1 is 1 again' within "$patience" has_weight rs1 1
up=${EPOCHREALTIME/./}
show_log director
echo
show_table
echo
say 'The kernel may still take the refused connections for active ones: it has' \
	"seen the client's SYN, and not the answer of rs1, which went straight to the" \
	'client. To the scheduler wlc an active connection weighs as much as 256' \
	'inactive ones. So it may take up to a minute, until they are forgotten,' \
	'for rs1 to be given new ones; then it gets more than rs2 for a while.' ''
expect 'rs1 answers again' within $((2 * patience)) answered_by "$up" rs1 4
show_answers
echo
count_answers "$down"
expect 'no request has failed since the weight of rs1 was 0' is 'count[failed] == 0'
count_answers 0
expect 'the director has never answered' is 'count[director] == 0'

step 'Is everything as configured? lvs-agent plan'
say 'It compares the kernel with the configuration and changes nothing.' ''
expect 'the director has nothing to change' nothing_to_change director
expect 'rs1 has nothing to change' nothing_to_change rs1 --real-server
expect 'rs2 has nothing to change' nothing_to_change rs2 --real-server
echo
printf '       director# lvs-agent status\n'
on director lvs-agent status 2>&1 | indent

step 'The agents end, the traffic goes on (on_exit: keep)'
say 'The table, the VIPs and the parameters are the kernel'\''s, and stay.' ''
for host in director rs1 rs2; do
	expect "the agent on $host ends with exit code 0" ends_well "$host"
	show_log "$host"
done
ended=${EPOCHREALTIME/./}
must within "$patience" answers_since "$ended" 8
echo
expect 'the client is still answered by the real servers' is 'count[rs1] + count[rs2] == count[total]'
count_answers "$down"
expect 'no request has failed since the weight of rs1 was 0' is 'count[failed] == 0'

finish
