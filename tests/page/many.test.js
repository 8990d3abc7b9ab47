// The page of a director with 1,200 real servers, on a phone and on a desktop.
"use strict";

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const chromium = require("./browser.js");
const { Site, service } = require("./site.js");

const { open, shows, text } = chromium;

const SERVICES = 40;
const DOWN = 67;

let browser;
let site;
let dying;

/** 30 real servers in each of 40 services; 67 of them have no server. */
before(async () => {
  const check = "interval: 2s, timeout: 1s, rise: 1, fall: 1";
  site = await Site.start((site) => {
    const [first, second] = site.network.split(".");
    const services = Array.from({ length: SERVICES }, (_, index) => {
      const hosts = Array.from({ length: 30 }, (_, host) => host + 1);
      // Each service has a network of its own.
      const own = { port: site.port, ip: (host) => `${first}.${second}.${100 + index}.${host}` };
      return service(own, `service${index}`, index + 1, hosts, check);
    });
    site.address = (index, host) => `${first}.${second}.${100 + index}.${host}`;
    return services.join("");
  });
  // The last real servers of the last services are down.
  let left = DOWN;
  for (let index = SERVICES - 1; index >= 0; index -= 1) {
    const down = Math.min(left, 10);
    left -= down;
    for (let host = 1; host <= 30 - down; host += 1) {
      const server = await site.serve(site.address(index, host));
      if (index === 20 && host === 1) {
        dying = server;
      }
    }
  }
  await site.waitFor(1200 - DOWN, DOWN);
  browser = await chromium.launch();
});

after(async () => {
  await browser?.close();
  await site?.end();
});

for (const [name, viewport] of [["phone", chromium.PHONE], ["desktop", chromium.DESKTOP]]) {
  test(`1,200 real servers are usable on a ${name}`, async () => {
    const tab = await open(browser, site, { viewport });
    assert.equal(await text(tab, "#summary"), "67 of 1,200 down");
    assert.equal((await chromium.names(tab)).length, 1200);
    await chromium.assertNoSidewaysScroll(tab);
    const first = await tab.$eval("#services tbody", (group) => group.dataset.key);
    assert.equal(first, "service33");
    await chromium.screenshot(tab, `many-${name}`);
    await tab.click("#problems");
    await shows(tab, "the problems", () => document.querySelectorAll("#services tr[data-key]").length === 67);
    await chromium.assertNoSidewaysScroll(tab);
    assert.equal(await text(tab, "#shown"), "67 of 1,200 real servers shown");
    assert.deepEqual(tab.faults, []);
    await tab.close();
  });
}

test("a real server dies elsewhere, and the reader loses neither place nor selection", async () => {
  for (const viewport of [chromium.PHONE, chromium.DESKTOP]) {
    const tab = await open(browser, site, { viewport });
    await tab.evaluate(() => {
      const row = document.querySelector("[data-key=service5] [data-key=service5-7]");
      window.row = row;
      row.scrollIntoView({ block: "center" });
      const name = row.querySelector("th").firstChild;
      getSelection().setBaseAndExtent(name, 0, name, 10);
    });
    const seen = () =>
      tab.evaluate(() => ({
        same: document.querySelector("[data-key=service5-7]") === window.row,
        top: Math.round(window.row.getBoundingClientRect().top),
        selection: String(getSelection()),
      }));
    const assertSame = ({ top, ...rest }, { top: topBefore, ...before }) => {
      assert.deepEqual(rest, before);
      // Parts of pixels above the row add up.
      assert.ok(Math.abs(top - topBefore) <= 2, `from ${topBefore} to ${top}`);
    };
    // Where the page is when its layout has settled.
    await chromium.updated(tab);
    const before = await seen();
    assert.equal(before.selection, "service5-7");
    assert.ok(before.top > 0 && before.top < viewport.height, String(before.top));

    // Its service comes to the problems, before what the reader looks at.
    dying.die();
    await shows(tab, "68 of 1,200 down", () => document.querySelector("#summary").textContent === "68 of 1,200 down");
    assertSame(await seen(), before);
    await dying.comeBack();
    await shows(tab, "67 of 1,200 down", () => document.querySelector("#summary").textContent === "67 of 1,200 down");
    assertSame(await seen(), before);
    assert.deepEqual(tab.faults, []);
    await tab.close();
  }
});
