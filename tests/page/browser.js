// Debian's Chromium, and what the tests ask a page for.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const axe = require("axe-core");
const puppeteer = require("puppeteer-core");
const { AMPLE, until } = require("./site.js");

/** Where screenshots go. */
const SCREENSHOTS = process.env.SCREENSHOTS;

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 400, height: 800, isMobile: true, hasTouch: true };

function launch() {
  const args = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"];
  // The first start reads hundreds of megabytes.
  return puppeteer.launch({ executablePath: "/usr/bin/chromium", args, timeout: 4 * AMPLE });
}

/** A tab on the page of `site`. Its `faults` are violations of the policy and errors of scripts. */
async function open(browser, site, { query = "", viewport = DESKTOP, scripts = true, dark = false } = {}) {
  const tab = await browser.newPage();
  tab.setDefaultTimeout(AMPLE);
  tab.faults = [];
  tab.on("pageerror", (error) => tab.faults.push(String(error)));
  tab.on("console", (message) => {
    // Chromium reports violations here, and failed loads while an agent is away.
    if (message.type() === "error" && !message.text().includes("net::ERR_")) {
      tab.faults.push(message.text());
    }
  });
  await tab.setViewport(viewport);
  await tab.setJavaScriptEnabled(scripts);
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  await tab.goto(site.url + query);
  return tab;
}

/** Waits until the page shows it; `found` is an expression over the document. */
function shows(tab, what, found, ...args) {
  return until(what, () => tab.evaluate(found, ...args));
}

const text = (tab, selector) => tab.$eval(selector, (node) => node.innerText);

/** The names of the real servers that the page shows, in its order. */
const names = (tab) =>
  tab.$$eval("#services tr[data-key]", (rows) => rows.map((row) => row.dataset.key));

/** Waits for the next update of the page. */
async function updated(tab) {
  const before = await text(tab, "footer");
  await until("update", async () => (await text(tab, "footer")) !== before);
}

/** Fails if axe finds anything serious. */
async function assertAccessible(tab) {
  await tab.evaluate(axe.source);
  const violations = await tab.evaluate(async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => [id, ...nodes.map((node) => `${node.html}: ${node.failureSummary}`)]);
  });
  assert.deepEqual(violations, []);
}

async function assertNoSidewaysScroll(tab) {
  const [content, window] = await tab.evaluate(() => [
    document.documentElement.scrollWidth,
    innerWidth,
  ]);
  assert.ok(content <= window, `${content} px of content in ${window} px`);
}

async function screenshot(tab, name) {
  fs.mkdirSync(SCREENSHOTS, { recursive: true });
  await tab.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}

module.exports = {
  DESKTOP,
  PHONE,
  assertAccessible,
  assertNoSidewaysScroll,
  launch,
  names,
  open,
  screenshot,
  shows,
  text,
  updated,
};
