#!/usr/bin/env python3
"""Measures the agent on a large IPVS table beside ipvsadm; table.sh says how.

fill      from the start of the process, or of `ipvsadm -R`, until an empty table is full
start     on the full table: the time until the first verdict is written, and the writes before
reload    of a configuration with one other weight: the whole command, and its writes
resync    processor time of one comparison of the table, beside that of `ipvsadm -Sn`
memory    the most that was resident

Writes are counted three times: by the agent's metric, by the lines of `ipvsadm -Sn` that differ,
and by a device that shows all netlink messages of the host (nlmon), in the first round.
"""

import argparse
import ctypes
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from sides import OF_UNIT, Failure, Process

LISTEN = "127.0.0.1:18081"
TICKS = os.sysconf("SC_CLK_TCK")
# All of these addresses are this host's own.
REAL_SERVERS = "10.64.0.0/12"
PORT = 80
# How long one step may take.
PATIENCE = 400
# The first service is asked every second: its real server has weight 0 in the table at first.
ASKED_OFTEN = 0
# Of linux/ip_vs.h: the commands that change the table.
WRITES = {
    1: "new_service",
    2: "set_service",
    3: "del_service",
    5: "new_dest",
    6: "set_dest",
    7: "del_dest",
    9: "new_daemon",
    10: "del_daemon",
    12: "set_config",
    16: "zero",
    17: "flush",
}


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def until(what, condition, pause=0.05):
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"not within {PATIENCE} s: {what}")
        time.sleep(pause)
    return value


class Table:
    """The services, each with its real servers, as ipvsadm and as the agent read them."""

    def __init__(self, services, destinations):
        each, more = divmod(destinations, services)
        number = 0
        self.services = []
        for service in range(services):
            vip = f"172.{16 + service // 60000}.{service // 250 % 240}.{1 + service % 250}:{PORT}"
            count = each + (service < more)
            addresses = [self.address(number + place) for place in range(count)]
            number += count
            self.services.append((vip, addresses))
        self.lines = services + destinations

    @staticmethod
    def address(number):
        return f"10.{64 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"

    def rules(self):
        lines = []
        for number, (vip, addresses) in enumerate(self.services):
            lines.append(f"-A -t {vip} -s wlc")
            for place, address in enumerate(addresses):
                weight = 0 if (number, place) == (ASKED_OFTEN, 0) else 1
                lines.append(f"-a -t {vip} -r {address}:{PORT} -g -w {weight}")
        return "".join(f"{line}\n" for line in lines)

    def configuration(self, directory, interval, resync, weight=1):
        lines = [
            f"state_dir: {directory}/state",
            f"control: {{ socket: {directory}/control.sock }}",
            f"http: {{ listen: {LISTEN} }}",
            f"director: {{ resync_interval: {resync} }}",
            "virtual_services:",
        ]
        for number, (vip, addresses) in enumerate(self.services):
            lines += [f"  - name: s{number}", f"    address: {vip}"]
            if number == ASKED_OFTEN:
                lines.append("    check: { http: {}, rise: 1 }")
            elif number == ASKED_OFTEN + 1:
                seldom = f"{{ http: {{}}, interval: {interval}, timeout: 10s, rise: 1 }}"
                lines.append(f"    check: &seldom {seldom}")
            else:
                lines.append("    check: *seldom")
            lines.append("    real_servers:")
            for place, address in enumerate(addresses):
                more = f", weight: {weight}" if (number, place) == (ASKED_OFTEN, 0) else ""
                lines.append(f"      - {{ name: rs{place}, address: {address}{more} }}")
        return "".join(f"{line}\n" for line in lines)


class Agent(Process):
    """The agent on its configuration, on both processors, as anything else."""

    def __init__(self, program, configuration, log):
        command = [program, "run", "--config", configuration]
        super().__init__(command, "0-1", log, **OF_UNIT)
        self.begun = time.monotonic()

    def writes(self):
        """The writes so far, by the agent's own metric."""
        with urllib.request.urlopen(f"http://{LISTEN}/metrics", timeout=120) as answer:
            lines = answer.read().decode().splitlines()
        operations = [line for line in lines if line.startswith("lvs_ipvs_operations_total{")]
        return sum(float(line.split()[-1]) for line in operations if 'command="get_' not in line)

    def used(self):
        return sum(self.processor_time())


class Messages:
    """The requests to IPVS that change the table, as a device for netlink messages shows them."""

    def __init__(self):
        run("modprobe", "nlmon")
        run("ip", "link", "add", "nlmon0", "type", "nlmon")
        run("ip", "link", "set", "nlmon0", "up")
        self.family = self.number_of_family()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        # SO_RCVBUFFORCE: a dump of the table must fit in while this program waits.
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)
        self.socket.bind(("nlmon0", 3))
        self.socket.settimeout(0.2)
        self.counts, self.over = {}, False
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    @staticmethod
    def number_of_family():
        name = b"IPVS\0"
        attribute = struct.pack("=HH", 4 + len(name), 2) + name + b"\0" * (-len(name) % 4)
        body = struct.pack("=BBH", 3, 1, 0) + attribute
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as asked:
            asked.send(struct.pack("=IHHII", 16 + len(body), 16, 1, 1, 0) + body)
            answer = asked.recv(8192)
        at = 20
        while at < len(answer):
            length, kind = struct.unpack_from("=HH", answer, at)
            if kind == 1:
                return struct.unpack_from("=H", answer, at + 4)[0]
            at += (length + 3) & ~3
        raise Failure("the kernel has no IPVS")

    def read(self):
        while not self.over:
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                continue
            at = 0
            while at + 20 <= len(data):
                length, kind, flags = struct.unpack_from("=IHH", data, at)
                # What the kernel sends is no request.
                if length < 20 or not flags & 1:
                    break
                command = data[at + 16]
                if kind == self.family and command in WRITES:
                    name = WRITES[command]
                    self.counts[name] = self.counts.get(name, 0) + 1
                at += (length + 3) & ~3

    def end(self):
        time.sleep(1)
        self.over = True
        self.thread.join()
        # PACKET_STATISTICS: received and dropped.
        _, dropped = struct.unpack("=II", self.socket.getsockopt(263, 6, 8))
        self.socket.close()
        run("ip", "link", "del", "nlmon0")
        return {"writes": self.counts, "dropped": dropped}


class Bench:
    def __init__(self, directory, options):
        self.directory = pathlib.Path(directory)
        self.options = options
        # Files of the host are read slowly in the guest.
        self.program = shutil.copy(options.agent, self.directory / "lvs-agent")
        self.table = Table(options.services, options.destinations)
        self.rules = self.directory / "rules"
        self.rules.write_text(self.table.rules())
        self.configuration = self.directory / "cluster.yaml"
        self.figures = {}
        self.left = []

    def note(self, name, value):
        self.figures[name] = value
        shown = round(value, 3) if isinstance(value, float) else value
        print(f"  {name}: {shown}", file=sys.stderr, flush=True)

    def configure(self, resync, weight=1):
        text = self.table.configuration(
            self.directory, self.options.interval, resync, weight
        )
        self.configuration.write_text(text)

    def fresh_namespace(self):
        """A network namespace whose table has never had a real server.

        For two minutes, the kernel keeps those that were removed, and searches all of them
        whenever one is added (ip_vs_trash_get_dest in net/netfilter/ipvs/ip_vs_ctl.c): a table
        that was full before is filled in several times the time. The namespaces before stay, as
        their end would take processor time.
        """
        self.left.append(open("/proc/self/ns/net", "rb"))
        libc = ctypes.CDLL(None, use_errno=True)
        # CLONE_NEWNET of linux/sched.h.
        if libc.unshare(0x40000000):
            raise Failure(f"unshare: {os.strerror(ctypes.get_errno())}")
        run("ip", "link", "set", "lo", "up")

    def servers(self):
        """nginx, which answers on every address of the real servers."""
        run("ip", "route", "replace", "local", REAL_SERVERS, "dev", "lo")
        at = self.directory
        paths = " ".join(
            f"{name}_temp_path {at}/{name};"
            for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        )
        path = at / "nginx.conf"
        path.write_text(
            f"daemon off; pid {at}/nginx.pid; error_log {at}/error.log; worker_processes 1;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log off; {paths} server {{ listen {PORT} backlog=4096;"
            " location / { return 200; } } }\n"
        )
        return Process(["nginx", "-p", at, "-c", path], "0-1", at / "nginx.log")

    def saved(self):
        return set(run("ipvsadm", "-Sn").splitlines())

    def measured(self, command, **settings):
        """Wall time and processor time of a child, its system calls included."""
        begun = time.monotonic()
        child = subprocess.Popen(command, **settings)
        _, status, used = os.wait4(child.pid, 0)
        took = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise Failure(f"{' '.join(command)} has failed ({child.returncode})")
        return took, used.ru_utime + used.ru_stime

    def listed(self, number):
        """The weights of one service's real servers, by address."""
        vip, _ = self.table.services[number]
        done = subprocess.run(
            ["ipvsadm", "-Ln", "-t", vip], capture_output=True, text=True, check=False
        )
        lines = [line.split() for line in done.stdout.splitlines()]
        return {words[1]: int(words[3]) for words in lines if words[0] == "->" and words[3].isdigit()}

    def weight_is(self, weight):
        _, addresses = self.table.services[ASKED_OFTEN]
        return self.listed(ASKED_OFTEN).get(f"{addresses[0]}:{PORT}") == weight

    def is_full(self):
        """The agent writes the services in the order of their keys, and so its real servers."""
        return len(self.listed(-1)) == len(self.table.services[-1][1])

    def check_size(self, saved):
        if len(saved) != self.table.lines:
            raise Failure(f"{len(saved)} lines in a table of {self.table.lines}")

    def agent(self, log):
        return Agent(self.program, self.configuration, self.directory / log)

    def fill_by_ipvsadm(self):
        with self.rules.open() as rules:
            took, used = self.measured(["ipvsadm", "-R"], stdin=rules)
        self.note("fill_ipvsadm_s", took)
        self.note("fill_ipvsadm_processor_s", used)

    def fill_by_agent(self):
        self.configure("5m")
        agent = self.agent("fill.log")
        try:
            until("full table", lambda: agent.check() or self.is_full(), 0.2)
            self.note("fill_agent_s", time.monotonic() - agent.begun)
            self.note("fill_agent_processor_s", agent.used())
            self.check_size(self.saved())
        finally:
            agent.end()

    def start_on_full_table(self, messages):
        self.configure("5m")
        before = self.saved()
        self.check_size(before)
        agent = self.agent("start.log")
        try:
            until("first verdict", lambda: agent.check() or self.weight_is(1))
            self.note("start_to_first_verdict_s", time.monotonic() - agent.begun)
            self.note("start_processor_s", agent.used())
            self.note("start_peak_memory_mb", agent.peak_memory())
            # The first verdict is the one write.
            self.note("start_writes", agent.writes() - 1)
            after = self.saved()
            self.note("start_changed_lines", len(after - before) - 1)
            if messages:
                found = messages.end()
                print(f"  messages of the start: {found}", file=sys.stderr, flush=True)
                self.note("start_write_messages", sum(found["writes"].values()) - 1)
                self.note("messages_dropped", found["dropped"])
            self.reload(agent, after)
            self.resync(agent)
            self.note("peak_memory_mb", agent.peak_memory())
        except BaseException:
            print(agent.log.read_text()[-2000:], file=sys.stderr)
            raise
        finally:
            agent.end()

    def reload_command(self):
        command = [self.program, "reload", "--config", self.configuration]
        return self.measured(list(map(str, command)), stdout=subprocess.DEVNULL)

    def reload(self, agent, before):
        self.configure("5m", weight=7)
        written, used = agent.writes(), agent.used()
        took, _ = self.reload_command()
        self.note("reload_s", took)
        self.note("reload_processor_s", agent.used() - used)
        self.note("reload_writes", agent.writes() - written)
        after = self.saved()
        self.note("reload_changed_lines", len(after - before))
        if not self.weight_is(7):
            raise Failure("the reload has not set the weight")

    def resync(self, agent):
        """The difference between two times of the same length, with resyncs and without."""
        seconds = self.options.seconds
        used = []
        for resync in ["1h", "10s"]:
            self.configure(resync, weight=7)
            self.reload_command()
            before = agent.used()
            time.sleep(seconds)
            used.append(agent.used() - before)
        self.note("without_resync_processor_s", used[0] * 10 / seconds)
        self.note("resync_processor_s", (used[1] - used[0]) * 10 / seconds)
        took, processor = self.measured(["ipvsadm", "-Sn"], stdout=subprocess.DEVNULL)
        self.note("ipvsadm_save_s", took)
        self.note("ipvsadm_save_processor_s", processor)

    def parse(self):
        self.configure("5m")
        command = [self.program, "check-config", "--config", self.configuration]
        took, _ = self.measured(list(map(str, command)), stdout=subprocess.DEVNULL)
        self.note("check_config_s", took)

    def round(self, number):
        self.figures = {}
        print(f"round {number + 1}", file=sys.stderr, flush=True)
        sides = [self.fill_by_agent, self.fill_by_ipvsadm]
        # The table of ipvsadm, with its weights, is what the agent finds.
        if number % 2:
            sides.reverse()
        for side in sides:
            self.fresh_namespace()
            servers = self.servers()
            try:
                side()
                if side == self.fill_by_ipvsadm:
                    messages = Messages() if number == 0 else None
                    self.parse()
                    self.start_on_full_table(messages)
            finally:
                servers.end()
        return self.figures


# The figure, what it is compared with, and the bar.
BARS = [
    ("filling / ipvsadm -R", "fill_agent_s", "fill_ipvsadm_s", 0.35),
    ("writes at the start", "start_writes", None, 0),
    ("seconds to the first verdict", "start_to_first_verdict_s", None, 8),
    ("seconds of a reload", "reload_s", None, 3),
    ("writes of the reload", "reload_writes", None, 1),
    ("lines changed by the reload", "reload_changed_lines", None, 1),
    ("resync / ipvsadm -Sn", "resync_processor_s", "ipvsadm_save_processor_s", 0.5),
    ("peak memory in MB", "peak_memory_mb", None, 80),
]


def result(rounds):
    names = dict.fromkeys(name for figures in rounds for name in figures)
    of = lambda name: [figures[name] for figures in rounds if name in figures]
    medians = {name: statistics.median(of(name)) for name in names}
    bars = []
    for title, figure, base, bar in BARS:
        values = of(figure)
        if base:
            values = [value / other for value, other in zip(values, of(base))]
        value = statistics.median(values)
        bars.append({"name": title, "value": value, "bar": bar, "reached": value <= bar})
    return {"medians": medians, "bars": bars, "rounds": rounds}


def show(found):
    for name, value in found["medians"].items():
        print(f"{name:32}{value:12.2f}")
    print(f"\n{'':32}{'median':>12}{'bar':>8}")
    for bar in found["bars"]:
        reached = "reached" if bar["reached"] else "MISSED"
        print(f"{bar['name']:32}{bar['value']:12.2f}{bar['bar']:8}  {reached}")


def main():
    parser = argparse.ArgumentParser(description="See table.sh.")
    parser.add_argument("--agent", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--services", type=int, default=2277)
    parser.add_argument("--destinations", type=int, default=37205)
    parser.add_argument("--interval", default="10m")
    parser.add_argument("--seconds", type=int, default=40)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(directory, options)
        try:
            rounds = [bench.round(number) for number in range(options.rounds)]
        except Failure as failure:
            sys.exit(f"table.py: {failure}")
    found = {"settings": vars(options), **result(rounds)}
    show(found)
    # The last line, which table.sh keeps: what the guest writes is gone with it.
    print(json.dumps(found))


if __name__ == "__main__":
    main()
