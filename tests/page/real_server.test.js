// The page of a real server's agent.
"use strict";

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const chromium = require("./browser.js");
const { Site, service } = require("./site.js");

const { open, text } = chromium;

let browser;
let site;

before(async () => {
  site = await Site.start((site) => service(site, "web", 1, [1]), {
    more: "real_server: { vips: [192.0.2.1] }",
    args: ["--real-server", "--dry-run"],
  });
  browser = await chromium.launch();
});

after(async () => {
  await browser?.close();
  await site?.end();
});

test("shows VIPs and kernel parameters, and that it is a dry run", async () => {
  const tab = await open(browser, site);
  const { host, sysctls } = await site.status();
  assert.equal(await text(tab, "h1"), `${host} real server`);
  assert.match(await text(tab, "header"), /Dry run: nothing is written\./);
  assert.match(await text(tab, "#summary"), /^1 of 1 VIPs missing, \d of \d sysctls wrong/);
  const main = await text(tab, "main");
  assert.match(main, /192\.0\.2\.1\s+lo\s+missing/);
  for (const { key, want } of sysctls) {
    assert.ok(main.includes(`${key}\t${want}\t`), `${key} in ${main}`);
  }
  assert.equal(await tab.$("form"), null);
  await chromium.updated(tab);
  assert.deepEqual(tab.faults, []);
  await tab.close();
});

for (const dark of [false, true]) {
  for (const [name, viewport] of [["desktop", chromium.DESKTOP], ["phone", chromium.PHONE]]) {
    test(`axe finds nothing serious: ${name}, ${dark ? "dark" : "light"}`, async () => {
      const tab = await open(browser, site, { dark, viewport });
      await chromium.assertAccessible(tab);
      await chromium.assertNoSidewaysScroll(tab);
      await chromium.screenshot(tab, `real-server-${name}-${dark ? "dark" : "light"}`);
      await tab.close();
    });
  }
}
