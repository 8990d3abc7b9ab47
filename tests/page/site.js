// What the tests of the page work with: an agent with its configuration, and web servers, all on
// addresses of 127.0.0.0/8, with the IPVS table inside the agent.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");

/** The program under test. */
const PROGRAM = process.env.LVS_AGENT;
/** How long this machine takes for what is usual, in percent; tests/run.sh measures it. */
const SLOWNESS = Number(process.env.TEST_SLOWNESS ?? 100);
/** How long anything may take that is sure to come, in milliseconds. */
const AMPLE = 300 * SLOWNESS;

let networks = 0;

/** Asks `attempt` again and again until it gives something, and returns that. */
async function until(what, attempt) {
  const end = Date.now() + AMPLE;
  for (;;) {
    const found = await attempt();
    if (found) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`no ${what} within ${AMPLE} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** A port that is free on this address. */
async function freePort(ip) {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, ip, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A network, and an agent in it. */
class Site {
  static async start(services, { more = "", args = ["--table", "memory"] } = {}) {
    const site = new Site();
    networks += 1;
    site.network = `127.${1 + (process.pid % 250)}.${networks}`;
    site.directory = fs.mkdtempSync(path.join(os.tmpdir(), "lvs-agent-page-"));
    site.servers = [];
    site.port = await freePort(site.ip(1));
    site.listen = `${site.ip(254)}:${await freePort(site.ip(254))}`;
    site.url = `http://${site.listen}/`;
    const at = (name) => path.join(site.directory, name);
    const text = `http: { listen: "${site.listen}" }
control: { socket: "${at("control.sock")}" }
state_dir: "${at("state")}"
${more}
virtual_services:
${services(site)}`;
    fs.writeFileSync(at("config.yaml"), text);
    site.output = at("output");
    site.args = args;
    await site.startAgent();
    return site;
  }

  ip(host) {
    return `${this.network}.${host}`;
  }

  async startAgent() {
    const output = fs.openSync(this.output, "a");
    const args = ["run", "--config", path.join(this.directory, "config.yaml"), ...this.args];
    this.agent = spawn(PROGRAM, args, { env: {}, stdio: ["ignore", output, output] });
    fs.closeSync(output);
    await until("answer from the agent", async () => {
      if (this.agent.exitCode !== null) {
        throw new Error(`the agent ended:\n${fs.readFileSync(this.output, "utf8")}`);
      }
      return fetch(`${this.url}livez`).then((answer) => answer.ok, () => false);
    });
  }

  async endAgent() {
    if (this.agent.exitCode === null && this.agent.signalCode === null) {
      const ended = new Promise((resolve) => this.agent.once("exit", resolve));
      this.agent.kill();
      await ended;
    }
  }

  /** A subcommand of the agent with this site's configuration. */
  async run(subcommand, ...args) {
    const config = path.join(this.directory, "config.yaml");
    const child = spawn(PROGRAM, [subcommand, "--config", config, ...args], { stdio: "ignore" });
    const code = await new Promise((resolve) => child.once("exit", resolve));
    if (code !== 0) {
      throw new Error(`${subcommand} ended with ${code}`);
    }
  }

  async status() {
    const answer = await fetch(`${this.url}status`);
    return answer.json();
  }

  /** Waits until so many real servers are up and so many down. */
  async waitFor(up, down) {
    await until(`${up} up and ${down} down`, async () => {
      const { virtual_services: services } = await this.status();
      const all = services.flatMap((service) => service.real_servers);
      const count = (health) => all.filter((server) => server.health === health).length;
      return count("up") === up && count("down") === down;
    });
  }

  /** A web server on the site's port of this address. */
  async serve(ip) {
    const server = http.createServer((_, answer) => answer.end("well"));
    await new Promise((resolve) => server.listen(this.port, ip, resolve));
    this.servers.push(server);
    return {
      die: () => {
        server.close();
        server.closeAllConnections();
      },
      comeBack: () => new Promise((resolve) => server.listen(this.port, ip, resolve)),
    };
  }

  async end() {
    await this.endAgent();
    for (const server of this.servers) {
      server.close();
      server.closeAllConnections();
    }
    fs.rmSync(this.directory, { recursive: true });
  }
}

/** A virtual service as YAML whose real servers are asked for a page on the site's port. */
function service(site, name, vip, hosts, check = "interval: 200ms, timeout: 200ms, rise: 1, fall: 1") {
  const servers = hosts.map((host) => `      - { name: ${name}-${host}, address: ${site.ip(host)} }`);
  return `  - name: ${name}
    address: 192.0.2.${vip}:80
    check: { http: { path: /, host: site, port: ${site.port} }, ${check} }
    real_servers:
${servers.join("\n")}
`;
}

module.exports = { Site, service, until, AMPLE };
