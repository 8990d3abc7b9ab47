// The page of a director in a real browser: a real server dies and comes back, filters, orders,
// the keyboard, no JavaScript, hostile answers.
"use strict";

const assert = require("node:assert/strict");
const net = require("node:net");
const { after, before, test } = require("node:test");
const chromium = require("./browser.js");
const { Site, service, until } = require("./site.js");

const { names, open, shows, text } = chromium;

/** What a hostile server answers: markup, a script and a mark that turns the text around. */
const HOSTILE = "down #<img src=x onerror='document.title=1'>\u202e<script>\n";

let browser;
let site;
let dying;

before(async () => {
  site = await Site.start((site) => {
    const hostile = `  - name: hostile
    address: 192.0.2.3:80
    check: { haproxy_agent: { port: ${site.port} }, interval: 1s, rise: 1, fall: 1 }
    real_servers: [{ name: hostile-9, address: ${site.ip(9)} }]
`;
    return service(site, "web", 1, [1, 2, 3]) + service(site, "mail", 2, [4, 5]) + hostile;
  });
  const answers = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.end(HOSTILE);
  });
  await new Promise((resolve) => answers.listen(site.port, site.ip(9), resolve));
  site.servers.push(Object.assign(answers, { closeAllConnections() {} }));
  for (const host of [1, 2, 3, 4]) {
    await site.serve(site.ip(host));
  }
  dying = await site.serve(site.ip(5));
  await site.waitFor(5, 1);
  browser = await chromium.launch();
});

after(async () => {
  await browser?.close();
  await site?.end();
});

test("shows host, mode, table, numbers and conditions, and violates no policy", async () => {
  const tab = await open(browser, site);
  const { host } = await site.status();
  assert.equal(await text(tab, "h1"), `${host} director`);
  assert.equal(await text(tab, "#summary"), "1 of 6 down");
  assert.match(await text(tab, "header"), /--table memory: the table is inside the agent/);
  assert.match(await tab.title(), /^1 of 6 down - /);
  const row = "[data-key=web] [data-key=web-1]";
  assert.match(await text(tab, row), /web-1\s.*:80\s+up\s+.*\s1\s+1\s+1\s+0\s+0\s+HTTP 200, port/);
  await chromium.updated(tab);
  assert.deepEqual(tab.faults, []);

  // A violation would be seen.
  await tab.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'run'";
    document.body.append(script);
  });
  await until("report of a violation", () => tab.faults.length > 0);
  assert.notEqual(await tab.title(), "run");
  await tab.close();
});

test("a real server dies and comes back in place", async () => {
  const tab = await open(browser, site);
  const details = await tab.waitForSelector("#transitions");
  await details.evaluate((node) => (node.open = true));
  await tab.focus("#q");
  await tab.evaluate(() => {
    window.row = document.querySelector("[data-key=mail-5]");
    window.loaded = true;
    const name = document.querySelector("[data-key=web-2] th").firstChild;
    getSelection().setBaseAndExtent(name, 0, name, 5);
  });
  const kept = () =>
    tab.evaluate(() => ({
      loaded: window.loaded,
      sameRow: document.querySelector("[data-key=mail-5]") === window.row,
      focus: document.activeElement.id,
      selection: String(getSelection()),
      open: document.querySelector("#transitions").open,
    }));
  const expected = { loaded: true, sameRow: true, focus: "q", selection: "web-2", open: true };
  assert.deepEqual(await kept(), expected);

  dying.die();
  await shows(tab, "2 of 6 down", () => document.querySelector("#summary").textContent === "2 of 6 down");
  assert.match(await text(tab, "[data-key=mail-5]"), /down\s+application_down/);
  assert.match(await text(tab, "#transitions tbody tr"), /mail\/mail-5\s+down\s+application_down: 1 probe failed/);
  assert.deepEqual(await kept(), expected);
  await chromium.screenshot(tab, "director-light");

  await dying.comeBack();
  await shows(tab, "1 of 6 down", () => document.querySelector("#summary").textContent === "1 of 6 down");
  assert.match(await text(tab, "[data-key=mail-5]"), /up/);
  assert.match(await text(tab, "#transitions tbody tr"), /mail\/mail-5\s+up\s.*passed/);
  assert.deepEqual(await kept(), expected);
  assert.deepEqual(tab.faults, []);
  await tab.close();
});

test("services and real servers with a problem come first", async () => {
  const tab = await open(browser, site);
  const services = await tab.$$eval("tbody[data-key]", (all) => all.map((one) => one.dataset.key));
  assert.deepEqual(services, ["hostile", "web", "mail"]);
  await tab.close();
});

test("the filter is in the address, so that a reload and a link show the same", async () => {
  const tab = await open(browser, site);
  await tab.type("#q", "WEB web-2");
  await shows(tab, "one row", () => document.querySelectorAll("#services tr[data-key]").length === 1);
  assert.deepEqual(await names(tab), ["web-2"]);
  assert.equal(new URL(tab.url()).search, "?q=WEB+web-2");
  assert.equal(await text(tab, "#shown"), "1 of 6 real servers shown");
  assert.equal(await tab.evaluate(() => document.activeElement.id), "q");
  await tab.reload();
  assert.deepEqual(await names(tab), ["web-2"]);
  assert.equal(await tab.$eval("#q", (input) => input.value), "WEB web-2");

  const link = await open(browser, site, { query: new URL(tab.url()).search });
  assert.deepEqual(await names(link), ["web-2"]);
  await link.close();
  await tab.close();
});

test("only problems are shown on demand", async () => {
  const tab = await open(browser, site);
  await tab.click("#problems");
  await shows(tab, "one row", () => document.querySelectorAll("#services tr[data-key]").length === 1);
  assert.deepEqual(await names(tab), ["hostile-9"]);
  assert.equal(new URL(tab.url()).search, "?problems=");
  await tab.reload();
  assert.deepEqual(await names(tab), ["hostile-9"]);
  assert.equal(await tab.$eval("#problems", (box) => box.checked), true);
  await tab.close();
});

test("a click on a head sorts, and going back returns", async () => {
  const tab = await open(browser, site, { query: "?q=web" });
  const click = async (search, order) => {
    await tab.click("#services thead th:first-child a");
    await shows(tab, order ?? "no order", (order) => {
      const head = document.querySelector("#services thead th");
      return head.getAttribute("aria-sort") === order;
    }, order);
    assert.equal(new URL(tab.url()).search, search);
  };
  await click("?q=web&sort=name", "ascending");
  assert.deepEqual(await names(tab), ["web-1", "web-2", "web-3"]);
  await click("?q=web&sort=-name", "descending");
  assert.deepEqual(await names(tab), ["web-3", "web-2", "web-1"]);
  await chromium.updated(tab);
  assert.deepEqual(await names(tab), ["web-3", "web-2", "web-1"]);
  await tab.reload();
  assert.deepEqual(await names(tab), ["web-3", "web-2", "web-1"]);
  await tab.evaluate(() => history.back());
  await shows(tab, "the order before", () =>
    document.querySelector("#services tr[data-key]").dataset.key === "web-1",
  );
  assert.deepEqual(tab.faults, []);
  await tab.close();
});

test("everything is reached by the keyboard alone", async () => {
  const tab = await open(browser, site);
  const focused = () =>
    tab.evaluate(() => {
      const { id, localName, className, innerText } = document.activeElement;
      return id || className || `${localName} ${innerText}`;
    });
  const press = async (...keys) => {
    for (const key of keys) {
      await tab.keyboard.press(key);
    }
  };
  await press("Tab");
  assert.equal(await focused(), "skip");
  await press("Enter");
  assert.equal(await focused(), "main");
  await press("Tab");
  assert.equal(await focused(), "summary Last transitions");
  await press("Enter", "Tab");
  assert.equal(await tab.$eval("#transitions", (details) => details.open), true);
  assert.equal(await focused(), "q");
  await tab.keyboard.type("web");
  await press("Tab");
  assert.equal(await focused(), "problems");
  await press("Tab");
  assert.equal(await focused(), "button Show");
  await press("Tab");
  assert.equal(await focused(), "a Real server");
  await shows(tab, "the filter", () => document.querySelectorAll("#services tr[data-key]").length === 3);
  await press("Enter");
  await shows(tab, "order", () => document.querySelector("[aria-sort=ascending]"));
  await press("Enter");
  await shows(tab, "order", () => document.querySelector("[aria-sort=descending]"));
  assert.equal(await focused(), "a Real server");
  assert.deepEqual(await names(tab), ["web-3", "web-2", "web-1"]);
  const outline = await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid");
  await tab.close();
});

test("filter and order need no JavaScript", async () => {
  const tab = await open(browser, site, { scripts: false });
  assert.match(await text(tab, "footer"), /Without JavaScript, this page is updated when/);
  await tab.type("#q", "web");
  await Promise.all([tab.waitForNavigation(), tab.keyboard.press("Enter")]);
  assert.deepEqual(await names(tab), ["web-1", "web-2", "web-3"]);
  assert.equal(new URL(tab.url()).search, "?q=web");
  await Promise.all([tab.waitForNavigation(), tab.click("#services thead th:first-child a")]);
  await Promise.all([tab.waitForNavigation(), tab.click("#services thead th:first-child a")]);
  assert.deepEqual(await names(tab), ["web-3", "web-2", "web-1"]);
  await tab.click("#problems");
  await Promise.all([tab.waitForNavigation(), tab.click("#filter button")]);
  assert.equal(new URL(tab.url()).search, "?q=web&problems=&sort=-name");
  assert.deepEqual(await names(tab), []);
  assert.deepEqual(tab.faults, []);
  await tab.close();
});

test("what a hostile server answers is text", async () => {
  const tab = await open(browser, site);
  const shown = await text(tab, "[data-key=hostile-9] td:last-child");
  assert.ok(shown.includes("<img src=x onerror="), shown);
  assert.ok(shown.includes("\\u{202e}") && !shown.includes("\u202e"), shown);
  await chromium.updated(tab);
  assert.equal(await tab.$$eval("main img, main script", (all) => all.length), 0);
  assert.match(await tab.title(), /^1 of 6 down - /);

  const query = `?q=${encodeURIComponent(`"><img src=x onerror=alert(1)>`)}`;
  const other = await open(browser, site, { query });
  assert.equal(await other.$$eval("img", (all) => all.length), 0);
  assert.match(await other.$eval("#q", (input) => input.value), /^"><img/);
  assert.deepEqual([...tab.faults, ...other.faults], []);
  await other.close();
  await tab.close();
});

test("says that an agent is away, and goes on when it is back", async () => {
  const tab = await open(browser, site);
  assert.equal(await tab.$eval("#stale", (stale) => stale.hidden), true);
  await site.endAgent();
  try {
    await shows(tab, "a warning", () => !document.querySelector("#stale").hidden);
    assert.match(await text(tab, "#stale"), /^Not up to date since .*: the agent does not answer\.$/);
    assert.equal(await tab.$eval("#stale", (stale) => stale.role), "alert");
    assert.equal(await text(tab, "#summary"), "1 of 6 down");
  } finally {
    await site.startAgent();
  }
  await shows(tab, "no warning", () => document.querySelector("#stale").hidden);
  await site.waitFor(5, 1);
  await tab.close();
});

for (const dark of [false, true]) {
  for (const [name, viewport] of [["desktop", chromium.DESKTOP], ["phone", chromium.PHONE]]) {
    test(`axe finds nothing serious: ${name}, ${dark ? "dark" : "light"}`, async () => {
      const tab = await open(browser, site, { dark, viewport, query: "?sort=health" });
      await tab.$eval("#transitions", (details) => (details.open = true));
      await chromium.assertAccessible(tab);
      await chromium.assertNoSidewaysScroll(tab);
      await chromium.screenshot(tab, `director-${name}-${dark ? "dark" : "light"}`);
      await tab.close();
    });
  }
}

test("a screen reader finds landmarks, heads and the summary", async () => {
  for (const viewport of [chromium.DESKTOP, chromium.PHONE]) {
    const tab = await open(browser, site, { viewport });
    const client = await tab.createCDPSession();
    const { nodes } = await client.send("Accessibility.getFullAXTree");
    const roles = new Map();
    for (const { ignored, role } of nodes) {
      if (!ignored) {
        roles.set(role.value, 1 + (roles.get(role.value) ?? 0));
      }
    }
    for (const role of ["banner", "main", "search", "contentinfo", "table", "status"]) {
      assert.ok(roles.has(role), `${role} among ${[...roles.keys()]}`);
    }
    const { root } = await client.send("DOM.getDocument");
    const table = await client.send("DOM.querySelector", { nodeId: root.nodeId, selector: "#services" });
    // Six real servers and three services.
    for (const [role, number] of [["columnheader", 9], ["rowheader", 9], ["cell", 48], ["heading", 3]]) {
      const found = await client.send("Accessibility.queryAXTree", { ...table, role });
      assert.equal(found.nodes.length, number, role);
    }
    assert.equal(await tab.$eval("#summary", (node) => node.role), "status");
    await tab.close();
  }
});

test("nothing moves by itself", async () => {
  const tab = await open(browser, site);
  await chromium.updated(tab);
  const animations = await tab.evaluate(() => document.getAnimations().length);
  assert.equal(animations, 0);
  await tab.close();
});
