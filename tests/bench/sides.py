"""What is measured: the agent, HAProxy and the bare loop, as processes on one core."""

import ipaddress
import os
import pathlib
import signal
import subprocess
import time

# The servers are on the addresses from here on, all of them of this host.
NETWORK = ipaddress.IPv4Address("127.64.0.1")
EACH = 20
# The environment of the agent that its unit and its container set.
OF_UNIT = {"MALLOC_ARENA_MAX": "1"}
TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """What keeps a figure from being measured."""


class Process:
    """A process of the benchmark, on one core, which ends with it."""

    # Ahead of all other work of the host, which may be compilers.
    realtime = False

    def __init__(self, command, core, log, **environment):
        self.log = pathlib.Path(log)
        before = ["chrt", "--rr", "1"] if self.realtime else []
        with self.log.open("w") as output:
            self.child = subprocess.Popen(
                [*before, "taskset", "--cpu-list", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )

    def stat(self):
        text = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text()
        return text.rpartition(")")[2].split()

    def processor_time(self):
        """User and system time in seconds, of all threads."""
        fields = self.stat()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def peak_memory(self):
        """The most memory that was resident, in MB."""
        text = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in text.splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6

    def spread(self, cores):
        """From now on the process and its threads run on these cores."""
        command = ["taskset", "--all-tasks", "--cpu-list", "--pid", cores, str(self.child.pid)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def check(self):
        if self.child.poll() is not None:
            last = self.log.read_text().strip().splitlines()[-3:]
            command = " ".join(self.child.args)
            raise Failure(f"{command} has ended ({self.child.returncode}): {' | '.join(last)}")

    def end(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Site:
    """The place of all files, the servers' port, and the cores of both sides."""

    def __init__(self, directory, options):
        self.directory = pathlib.Path(directory)
        self.servers = self.addresses(options.servers)
        self.port = 18080
        self.listen = "127.0.0.1:18081"
        self.agent_program = options.agent
        self.programs = pathlib.Path(options.programs)
        self.checker_core, self.server_core = 0, 1
        self.access_log = self.directory / "access.log"

    @staticmethod
    def addresses(number):
        return [str(NETWORK + place) for place in range(number)]

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def nginx(self):
        """Answers all; its log has the time, the address asked and the path of each."""
        at = self.directory
        paths = " ".join(
            f"{name}_temp_path {at}/{name};"
            for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        )
        configuration = self.write(
            "nginx.conf",
            f"""daemon off; master_process off; pid {at}/nginx.pid; error_log stderr;
            worker_rlimit_nofile 16384;
            events {{ worker_connections 16000; multi_accept on; }}
            http {{
                log_format arrival '$msec $server_addr $uri';
                access_log {self.access_log} arrival buffer=256k flush=1s;
                {paths}
                server {{
                    listen 0.0.0.0:{self.port} backlog=8192;
                    location / {{ return 200 'ok'; }}
                }}
            }}""",
        )
        command = ["nginx", "-e", "stderr", "-c", configuration]
        return self.started(Process(command, self.server_core, at / "nginx.log"))

    def slow_servers(self, milliseconds, port=None):
        port = port or self.port
        command = [self.programs / "slow_servers", port, milliseconds]
        servers = Process(command, self.server_core, self.directory / f"servers-{port}.log")
        return self.started(servers, port)

    def started(self, servers, port=None):
        """Returns when the servers' port accepts connections."""
        deadline = time.monotonic() + 20
        port = port or self.port
        number = f":{port:04X}"
        while True:
            servers.check()
            table = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
            rows = [line.split() for line in table]
            if any(row[1].endswith(number) and row[3] == "0A" for row in rows):
                return servers
            if time.monotonic() > deadline:
                servers.end()
                raise Failure(f"nothing listens on port {port}: {servers.log.read_text()}")
            time.sleep(0.05)

    def agent(self, wrapper=(), times="interval: 1s, timeout: 1s, rise: 1, fall: 3", sorry=None):
        """With `sorry`, the first service has a sorry server whose check asks this port, and the
        metrics are read often, without those of each real server."""
        text = [
            f"state_dir: {self.directory}/state",
            f"control: {{ socket: {self.directory}/control.sock }}",
            f"http: {{ listen: '{self.listen}' }}",
            *(["metrics: { per_real_server: off }"] if sorry else []),
            "virtual_services:",
        ]
        for place in range(0, len(self.servers), EACH):
            number = place // EACH
            text += [
                f"  - name: s{number}",
                f"    address: 192.0.{2 + number // 200}.{1 + number % 200}:80",
                f"    check: {{ http: {{ path: /agent, port: {self.port} }}, {times} }}",
            ]
            if sorry and number == 0:
                check = f"{{ http: {{ port: {sorry} }}, interval: 1s, rise: 1 }}"
                text.append(f"    sorry_server: {{ address: 127.0.0.1, check: {check} }}")
            text.append("    real_servers:")
            for index, address in enumerate(self.servers[place : place + EACH]):
                text.append(f"      - {{ name: rs{index}, address: {address} }}")
        configuration = self.write("cluster.yaml", "\n".join(text) + "\n")
        command = [self.agent_program, "run", "--config", configuration, "--table", "memory"]
        log = self.directory / "agent.log"
        return Process([*wrapper, *command], self.checker_core, log, **OF_UNIT)

    def haproxy(self):
        text = [
            "global",
            "    nbthread 1",
            "    maxconn 1000",
            "defaults",
            "    mode http",
            "    timeout connect 1s",
            "    timeout client 1s",
            "    timeout server 1s",
            "    timeout check 1s",
            "frontend metrics",
            f"    bind {self.listen}",
            "    http-request use-service prometheus-exporter if { path /metrics }",
        ]
        for place in range(0, len(self.servers), EACH):
            text += [
                f"backend s{place // EACH}",
                "    option httpchk GET /haproxy",
                "    default-server check inter 1s rise 1 fall 3",
            ]
            for index, address in enumerate(self.servers[place : place + EACH]):
                text.append(f"    server rs{index} {address}:{self.port}")
        configuration = self.write("haproxy.cfg", "\n".join(text) + "\n")
        command = ["haproxy", "-db", "-f", configuration]
        return Process(command, self.checker_core, self.directory / "haproxy.log")

    def bare_loop(self):
        program = self.programs / "bare_loop"
        command = [program, self.port, NETWORK, len(self.servers), "/bare_loop"]
        return Process(command, self.checker_core, self.directory / "bare_loop.log")
