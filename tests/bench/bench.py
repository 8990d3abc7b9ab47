#!/usr/bin/env python3
"""Measures the agent beside HAProxy and a bare epoll loop; run.sh says how.

probe         processor time of a probe, its pace as the servers see it, peak memory, and the
              time from the start of the process until every server was asked
slow          peak memory with servers that take 900 ms to answer
scrape        duration of /metrics and /status, and the pace while /metrics is read every second
instructions  instructions of the agent for a probe, counted by callgrind with 200 servers
deaths        from the death of 20,000 servers at once to weight 0 of each in the table in memory;
              both processors are the agent's

The pace of a probe is how far the time since the probe before, of the same server, is off the
interval. Ratios are medians of the ratios of the rounds, the agent's figure first.
"""

import argparse
import collections
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from sides import Failure, Process, Site

INTERVAL = 1.0
NAMES = ["probe", "slow", "scrape", "instructions", "deaths"]
# Of `deaths`: the servers, and what the agent says of their check.
ALL_AT_ONCE = 20_000
DEATH_TIMES = "interval: 4s, fast_interval: 1s, timeout: 1s, rise: 1, fall: 2"
# interval + (fall - 1) * fast_interval: a dead process refuses at once.
DETECTION = 5.0
SORRY_PORT = 18082
# Until the pace is steady, and connections of the side before have gone.
WARM_UP = 4


def arrivals(site, path, begun, ended):
    """The times of the requests for a path, by server."""
    times = collections.defaultdict(list)
    with site.access_log.open() as log:
        log.seek(site.log_read)
        for line in log:
            fields = line.split()
            if len(fields) == 3 and fields[2] == path and begun <= float(fields[0]) < ended:
                times[fields[1]].append(float(fields[0]))
    return times


def flush(site):
    """Waits until nginx has written its log."""
    time.sleep(1.6)
    return site.access_log.stat().st_size


def percentiles(values):
    values = sorted(values)
    at = lambda share: values[min(len(values) - 1, int(len(values) * share))]
    return {"p50": at(0.5), "p99": at(0.99), "max": values[-1]}


def pace(times):
    """In milliseconds."""
    off = [
        abs(later - earlier - INTERVAL) * 1000
        for of_server in times.values()
        for earlier, later in zip(of_server, of_server[1:])
    ]
    if not off:
        raise Failure("no server was asked twice")
    return percentiles(off)


def start(site, name):
    site.log_read = site.access_log.stat().st_size if site.access_log.exists() else 0
    begun = time.time()
    return begun, getattr(site, name)()


def until_all_asked(site, name, begun):
    """How long after its start a side had asked every server."""
    times = arrivals(site, f"/{name}", begun, begun + WARM_UP)
    if len(times) < len(site.servers):
        raise Failure(f"{name} asked {len(times)} of {len(site.servers)} servers in {WARM_UP} s")
    return max(min(of_server) for of_server in times.values()) - begun


def probe(site, name, seconds):
    """One side, alone on its core."""
    begun, process = start(site, name)
    try:
        time.sleep(WARM_UP)
        process.check()
        first, before = time.time(), process.processor_time()
        time.sleep(seconds)
        last, after = time.time(), process.processor_time()
        memory = process.peak_memory()
        process.check()
    finally:
        process.end()
    flush(site)
    times = arrivals(site, f"/{name}", first, last)
    number = sum(map(len, times.values()))
    user, system = ((b - a) * 1e6 / number for a, b in zip(before, after))
    return {
        "processor_us": user + system,
        "user_us": user,
        "system_us": system,
        "probes_a_second": number / (last - first),
        **{f"pace_{key}_ms": value for key, value in pace(times).items()},
        "peak_memory_mb": memory,
        "all_asked_after_s": until_all_asked(site, name, begun),
    }


def slow(site, name, seconds):
    _, process = start(site, name)
    try:
        time.sleep(WARM_UP + seconds)
        process.check()
        return {"peak_memory_mb": process.peak_memory()}
    finally:
        process.end()


def read(site, path):
    begun = time.monotonic()
    with urllib.request.urlopen(f"http://{site.listen}{path}", timeout=20) as answer:
        length = len(answer.read())
    return (time.monotonic() - begun) * 1000, length / 1e6


def scrape(site, name, seconds):
    _, process = start(site, name)
    took, ended = [], threading.Event()

    def reader():
        while not ended.wait(INTERVAL):
            took.append(read(site, "/metrics"))

    try:
        time.sleep(WARM_UP)
        process.check()
        status = [read(site, "/status") for _ in range(3)] if name == "agent" else []
        thread = threading.Thread(target=reader)
        first = time.time()
        thread.start()
        time.sleep(seconds)
        last = time.time()
        ended.set()
        thread.join()
        process.check()
        memory = process.peak_memory()
    finally:
        ended.set()
        process.end()
    flush(site)
    figures = {
        "metrics_ms": statistics.median(time for time, _ in took),
        "metrics_mb": took[-1][1],
        **{
            f"pace_{key}_ms": value
            for key, value in pace(arrivals(site, f"/{name}", first, last)).items()
        },
        "peak_memory_mb": memory,
    }
    if status:
        figures["status_ms"] = statistics.median(time for time, _ in status)
        figures["status_mb"] = status[-1][1]
    return figures


def instructions(site, seconds):
    """Counts some seconds of the running agent, so that its start does not count."""
    out = site.directory / "callgrind.out"
    wrapper = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
    site.log_read = site.access_log.stat().st_size if site.access_log.exists() else 0
    process = site.agent(wrapper)

    def control(option):
        command = ["callgrind_control", option, str(process.child.pid)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    try:
        time.sleep(15)
        process.check()
        control("--instr=on")
        first = time.time()
        time.sleep(seconds)
        last = time.time()
        control("--instr=off")
        control("--dump")
        flush(site)
        process.check()
    finally:
        process.end()
    number = sum(map(len, arrivals(site, "/agent", first, last).values()))
    dump = min(site.directory.glob("callgrind.out.*"), key=lambda path: path.name)
    kept = pathlib.Path(site.output).with_name("callgrind.out")
    kept.write_bytes(dump.read_bytes())
    totals = [line for line in dump.read_text().splitlines() if line.startswith("totals:")]
    return {"instructions_a_probe": int(totals[0].split()[1]) / number, "probes": number}


def written(site):
    """How many weights the agent has written, by its own metric."""
    with urllib.request.urlopen(f"http://{site.listen}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        int(float(line.split()[-1]))
        for line in lines
        if line.startswith("lvs_ipvs_operations_total{")
        and 'command="set_dest"' in line
        and 'result="ok"' in line
    )


def deaths(site, _, seconds):
    """A sorry server that passes shows the agent that the director can probe."""
    servers, sorry = site.slow_servers(0), site.slow_servers(0, SORRY_PORT)
    agent = site.agent(times=DEATH_TIMES, sorry=SORRY_PORT)
    number = len(site.servers)
    try:
        agent.spread("0-1")
        deadline = time.monotonic() + 60
        while (before := reached(agent, site)) < number:
            if time.monotonic() > deadline:
                raise Failure(f"{before} of {number} servers are up after 60 s")
            time.sleep(0.2)
        time.sleep(seconds)
        before = written(site)
        died = time.monotonic()
        servers.child.kill()
        first = last = None
        while last is None:
            time.sleep(0.02)
            agent.check()
            more = written(site) - before
            now = time.monotonic() - died
            first = now if first is None and more > 0 else first
            # The sorry server gets its weight as well.
            last = now if more > number else None
            if now > 60:
                raise Failure(f"{more} of {number} weights were written in 60 s")
        return {
            "first_after_s": first,
            "last_after_s": last,
            "first_to_last_s": last - first,
            "beyond_detection_s": last - DETECTION,
            "processor_s": sum(agent.processor_time()),
            "peak_memory_mb": agent.peak_memory(),
        }
    finally:
        for process in [agent, servers, sorry]:
            process.end()


def reached(agent, site):
    """How many weights were written since the start: of each server that is up, one."""
    agent.check()
    try:
        return written(site)
    except OSError:
        return 0


def compare(site, measure, sides, options):
    """All sides in each round, one after the other; the order turns with the round."""
    rounds = []
    for number in range(options.rounds):
        turn = number % len(sides)
        figures = {}
        for side in sides[turn:] + sides[:turn]:
            figures[side] = measure(site, side, options.seconds)
            shown = {key: round(value, 3) for key, value in figures[side].items()}
            print(f"  round {number + 1}, {side}: {shown}", file=sys.stderr, flush=True)
        rounds.append(figures)
    medians = {
        side: {
            key: statistics.median(figures[side][key] for figures in rounds)
            for key in rounds[0][side]
        }
        for side in sides
    }
    ratios = {
        side: {
            key: statistics.median(
                figures["agent"][key] / figures[side][key] for figures in rounds
            )
            for key in medians["agent"]
            if all(figures[side].get(key) for figures in rounds)
        }
        for side in sides
        if side != "agent"
    }
    return {"medians": medians, "ratios": ratios, "rounds": rounds}


def show(name, result):
    print(f"\n{name}")
    sides = list(result["medians"])
    heads = [*sides, *(f"agent/{side}" for side in sides if side != "agent")]
    print(" " * 24 + "".join(f"{head:>17}" for head in heads))
    for key in result["medians"]["agent"]:
        cells = [result["medians"][side].get(key) for side in sides]
        cells += [result["ratios"][side].get(key) for side in sides if side != "agent"]
        row = "".join(f"{'-' if cell is None else format(cell, '.2f'):>17}" for cell in cells)
        print(f"{key:24}{row}")


def run(site, names, options):
    results = {}
    if {"probe", "scrape"} & set(names):
        servers = site.nginx()
        try:
            if "probe" in names:
                sides = ["agent", "haproxy", "bare_loop"]
                results["probe"] = compare(site, probe, sides, options)
            if "scrape" in names:
                results["scrape"] = compare(site, scrape, ["agent", "haproxy"], options)
        finally:
            servers.end()
    if "slow" in names:
        servers = site.slow_servers(900)
        try:
            results["slow"] = compare(site, slow, ["agent", "haproxy"], options)
        finally:
            servers.end()
    if "deaths" in names:
        few, site.servers = site.servers, site.addresses(ALL_AT_ONCE)
        results["deaths"] = compare(site, deaths, ["agent"], options)
        site.servers = few
    if "instructions" in names:
        site.servers = site.servers[:200]
        servers = site.nginx()
        try:
            figures = instructions(site, options.seconds)
            results["instructions"] = {"medians": {"agent": figures}, "ratios": {}}
        finally:
            servers.end()
    return results


def main():
    parser = argparse.ArgumentParser(description="See run.sh.")
    parser.add_argument("--agent", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, []])
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit < 2 * options.servers:
        parser.error(f"the limit of open files is {limit}: raise it, or lower --servers")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    Process.realtime = options.realtime
    with tempfile.TemporaryDirectory() as directory:
        site = Site(directory, options)
        site.output = options.output
        try:
            results = run(site, options.names or NAMES[:3], options)
        except Failure as failure:
            sys.exit(f"bench.py: {failure}")
    for name, result in results.items():
        show(name, result)
    settings = {key: getattr(options, key) for key in ["rounds", "servers", "seconds"]}
    output = pathlib.Path(options.output)
    output.write_text(json.dumps({"settings": settings, **results}, indent=1) + "\n")
    print(f"\nwritten to {output}")


if __name__ == "__main__":
    main()
