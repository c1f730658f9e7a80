// The board, the report and the page of `patina serve` in a browser: what is on them, by its label and
// with the keyboard alone.
//
//   node pages_test.cjs PATINA FOLDER
//
// Needs playwright-core (npm install playwright-core; NODE_PATH names its node_modules) and Chromium
// (PATINA_CHROMIUM, or /usr/bin/chromium); is skipped, with status 77, where one is missing. Pictures
// of the pages lie in FOLDER/pictures afterwards.
"use strict";

const assert = require("node:assert/strict");
const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const [patina, folder] = process.argv.slice(2).map((one) => path.resolve(one));
const chromium = process.env.PATINA_CHROMIUM || "/usr/bin/chromium";
const docs = path.resolve(__dirname, "../docs");

function skip(why) {
  console.log("skipped: " + why);
  process.exit(77);
}

let playwright;
try {
  playwright = require("playwright-core");
} catch {
  skip("there is no playwright-core (npm install playwright-core; NODE_PATH names its node_modules)");
}
if (!fs.existsSync(chromium)) skip(`there is no ${chromium} (apt-get install chromium; PATINA_CHROMIUM names another)`);

const run = (...words) => execFileSync(patina, words, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }).toString();

function python(code) {
  execFileSync("python3", ["-B", "-c", `import sys, pathlib\nsys.path.insert(0, ${JSON.stringify(docs)})\nimport small_data as d\nf = pathlib.Path(${JSON.stringify(folder)})\n${code}`]);
}

// A server that is told to stop at the end; its address.
const servers = [];
async function served(...words) {
  const process = spawn(patina, [...words, "--port", "0"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  servers.push(process);
  return new Promise((resolve, reject) => {
    let text = "";
    process.stdout.on("data", (part) => {
      text += part;
      const found = /at (http:\S+)\/\n/.exec(text);
      if (found) resolve(found[1]);
    });
    process.on("exit", () => reject(new Error(words[0] + " ended: " + text)));
  });
}

const recipe = (name, learner, more = "") => `name = "${name}"
[model]
name = "mlp"
hidden = [32]
[data]
name = "mnist"
path = "mnist"
[scenario]
classes_per_task = 2
[learner]
name = "${learner}"
[training]
batch_size = 10
${more}`;

function prepare() {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(path.join(folder, "pictures"), { recursive: true });
  python(`d.idx(f / "mnist", 20, 4)
for colour, name in enumerate(("cat", "dog", "fox")): d.photographs(f / "photos" / name, colour, 4)`);
  for (const [name, learner, more] of [["plain", "finetune", "epochs = 3"], ["replay", "er", "epochs = 1"], ["slow", "finetune", "epochs = 3000"]])
    fs.writeFileSync(path.join(folder, name + ".toml"), recipe(name, learner, more));
  run("sweep", "plain.toml", "replay.toml", "--seeds", "1", "2", "--out", "runs/sweep");
  fs.mkdirSync(path.join(folder, "runs/damaged"));
  fs.writeFileSync(path.join(folder, "runs/damaged/record.json"), '{"schema": <script>alert(1)</script>');
  for (const name of ["cat", "dog"]) run("learn", "pets.patina", name, "photos/" + name);
}

// Every control has a name, every picture a text, and no id is there twice; nothing is wider than the
// window.
async function checkPage(page) {
  const faults = await page.evaluate(() => {
    const found = [];
    const named = (element) =>
      element.getAttribute("aria-label") || element.labels?.length || element.textContent.trim() || element.getAttribute("aria-labelledby");
    for (const element of document.querySelectorAll("input, select, textarea, button, a[href], progress"))
      if (!element.closest("[hidden]") && !named(element)) found.push("without a name: " + element.outerHTML);
    for (const element of document.querySelectorAll("canvas, img"))
      if (!element.getAttribute("aria-label") && !element.getAttribute("alt")) found.push("without a text: " + element.outerHTML);
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push("twice: " + id);
    if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
    if (!document.documentElement.lang) found.push("no language");
    if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the window: " + document.documentElement.scrollWidth);
    return found;
  });
  assert.deepEqual(faults, []);
}

// What text and ground have of contrast, for every element with text of its own.
async function checkContrast(page) {
  const faults = await page.evaluate(() => {
    const channels = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = ([r, g, b]) => {
      const linear = [r, g, b].map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const over = ([r, g, b, a = 1], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
    const ground = (element) => {
      if (!element) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
      const own = channels(getComputedStyle(element).backgroundColor);
      return own.length === 4 && own[3] === 0 ? ground(element.parentElement) : over(own, own[3] === undefined ? own : ground(element.parentElement));
    };
    const found = new Set();
    for (const element of document.querySelectorAll("body *")) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      const box = element.getBoundingClientRect();
      if (!own || box.width === 0 || element.disabled || ["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
      const below = ground(element);
      const ink = luminance(over(channels(getComputedStyle(element).color), below));
      const paper = luminance(below);
      const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      if (contrast < 4.45) found.add(`${contrast.toFixed(2)}: ${element.tagName} ${element.className} "${element.textContent.trim().slice(0, 30)}"`);
    }
    return [...found];
  });
  assert.deepEqual(faults, []);
}

const tests = {
  async "the report: sorted with the keyboard, charts in distinct colours, on paper"(page, { picture }) {
    run("report", "runs/sweep", "-o", "report.html");
    await page.goto("file://" + path.join(folder, "report.html"));
    await checkPage(page);
    await checkContrast(page);
    await picture("report");
    const first = () => page.locator("#comparison tbody tr:first-child th").innerText();
    const title = page.locator("#comparison thead").getByRole("button", { name: /Last accuracy/ });
    const values = () => page.locator("#comparison tbody td:nth-child(2)").evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.v)));
    await title.focus();
    await page.keyboard.press("Enter");
    assert.deepEqual(await values(), (await values()).sort((a, b) => b - a), "the largest first");
    assert.equal(await page.locator("#comparison thead th:nth-child(2)").getAttribute("aria-sort"), "descending");
    const best = await first();
    await page.keyboard.press("Enter");
    assert.deepEqual(await values(), (await values()).sort((a, b) => a - b));
    assert.notEqual(await first(), best);
    const drawn = await page.locator("canvas[data-chart]").count();
    assert.ok(drawn >= 6, drawn + " charts");
    // As many colours as series, however many there are.
    const colours = await page.evaluate(() => {
      const given = JSON.parse(document.getElementById("report-data").textContent);
      return [3, 8, 9, 30].map((count) => {
        patina.show({ ...given, series: Array.from({ length: count }, (_, i) => ({ ...given.series[0], label: "run " + i })) });
        return new Set(Array.from({ length: count }, (_, i) => patina.seriesColor(i))).size;
      });
    });
    assert.deepEqual(colours, [3, 8, 9, 30]);
    await page.reload();
    const pdf = await page.pdf({ path: path.join(folder, "pictures/report.pdf"), format: "A4" });
    assert.ok(pdf.length > 20000);
    await page.setViewportSize({ width: 400, height: 800 });
    await checkPage(page);
    await picture("report-narrow");
  },

  async "the report without JavaScript: every number is there"(_, { browser }) {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto("file://" + path.join(folder, "report.html"));
    assert.equal(await page.locator("noscript").count(), 1);
    assert.ok((await page.locator("#comparison tbody tr").count()) === 4);
    assert.ok((await page.locator("#accuracy details table tbody td").count()) >= 20);
    await context.close();
  },

  async "the board: follows a run, filters, sorts, compares, with the keyboard"(page, { board, picture }) {
    const slow = spawn(patina, ["run", "slow.toml", "--out", "runs/slow"], { cwd: folder, stdio: "ignore" });
    try {
      await page.goto(board + "/");
      await page.getByRole("link", { name: "sweep/plain/seed_1" }).waitFor();
      await page.locator("tr", { hasText: "slow" }).getByText("running").waitFor({ timeout: 60000 });
      await page.locator("tr", { hasText: "slow" }).getByText("a second").waitFor({ timeout: 60000 });
      await checkPage(page);
      await checkContrast(page);
      await picture("board");
      assert.equal(await page.locator("tr", { hasText: "damaged" }).locator(".state").innerText(), "unreadable");
      assert.equal(await page.getByRole("checkbox", { name: "Select damaged" }).isDisabled(), true);

      await page.getByLabel("Filter").focus();
      await page.keyboard.type("replay");
      await page.getByText("2 of 6 runs shown.").waitFor();
      await page.keyboard.press("Control+a");
      await page.keyboard.press("Delete");
      await page.getByLabel("State").selectOption("finished");
      await page.getByText("4 of 6 runs shown.").waitFor();

      const last = page.locator("#runs thead").getByRole("button", { name: "Last" });
      await last.focus();
      await page.keyboard.press("Enter");
      const numbers = await page.locator("#runs tbody td:nth-child(7)").allInnerTexts();
      assert.deepEqual(numbers, [...numbers].sort((a, b) => parseFloat(b) - parseFloat(a)));

      for (const name of ["sweep/plain/seed_1", "sweep/replay/seed_2"]) {
        await page.getByRole("checkbox", { name: "Select " + name }).focus();
        await page.keyboard.press("Space");
      }
      // A look at the server must not take away what is selected or where the keyboard is.
      await page.waitForTimeout(2000);
      assert.equal(await page.evaluate(() => document.activeElement.value), "sweep/replay/seed_2");
      await page.getByRole("button", { name: "Compare 2 runs" }).focus();
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Comparison" }).waitFor();
      assert.equal(await page.locator("#comparison tbody tr").count(), 2);
      await page.getByRole("link", { name: "all runs" }).click();
      await page.getByRole("link", { name: "slow" }).waitFor();
      await page.setViewportSize({ width: 400, height: 800 });
      await checkPage(page);
      await picture("board-narrow");
    } finally {
      slow.kill("SIGKILL");
    }
    await page.locator("tr", { hasText: "slow" }).getByText("cut short").waitFor({ timeout: 20000 });
  },

  async "the board in the dark"(_, { browser, board }) {
    const context = await browser.newContext({ colorScheme: "dark", viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    await page.goto(board + "/");
    await page.getByRole("link", { name: "sweep/plain/seed_1" }).waitFor();
    await checkContrast(page);
    await page.screenshot({ path: path.join(folder, "pictures/board-dark.png"), fullPage: true });
    await page.goto(board + "/report");
    await checkContrast(page);
    await page.screenshot({ path: path.join(folder, "pictures/report-dark.png"), fullPage: true });
    await context.close();
  },

  async "serve: asked about a picture, taught a class, with the keyboard"(page, { serve, picture }) {
    await page.goto(serve + "/");
    await page.getByRole("heading", { name: "pets" }).waitFor();
    await checkPage(page);
    await checkContrast(page);
    // As a hand drops it.
    const bytes = fs.readFileSync(path.join(folder, "photos/cat/0.jpg")).toString("base64");
    const dropped = await page.evaluateHandle((data) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], "cat.png", { type: "image/png" }));
      return transfer;
    }, bytes);
    await page.locator("#ask-drop").dispatchEvent("drop", { dataTransfer: dropped });
    await page.locator("#results img").waitFor();
    assert.equal(await page.locator("#results tr:first-of-type td:first-child").innerText(), "cat");
    await page.getByLabel("Name of the class").focus();
    await page.keyboard.type("fox");
    await page.getByLabel("Its pictures").setInputFiles([0, 1, 2, 3].map((i) => path.join(folder, `photos/fox/${i}.jpg`)));
    await page.getByLabel("Name of the class").focus();
    await page.keyboard.press("Enter");
    await page.getByText("learned fox from 4 samples").waitFor();
    await page.getByText("cat, dog, fox").waitFor();
    await page.getByLabel("Drop pictures here").setInputFiles(path.join(folder, "photos/fox/0.jpg"));
    await page.locator("#results tr:first-of-type td:first-child", { hasText: "fox" }).waitFor();
    await checkPage(page);
    await picture("serve");
    await page.setViewportSize({ width: 400, height: 800 });
    await checkPage(page);
    await picture("serve-narrow");
  },

  async "serve in the dark"(_, { browser, serve }) {
    const context = await browser.newContext({ colorScheme: "dark" });
    const page = await context.newPage();
    await page.goto(serve + "/");
    await page.getByLabel("Drop pictures here").setInputFiles(path.join(folder, "photos/dog/0.jpg"));
    await page.locator("#results img").waitFor();
    await checkContrast(page);
    await page.screenshot({ path: path.join(folder, "pictures/serve-dark.png"), fullPage: true });
    await context.close();
  },
};

async function main() {
  prepare();
  const browser = await playwright.chromium.launch({
    executablePath: chromium,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  let failed = 0;
  try {
    const board = await served("board", "runs");
    const serve = await served("serve", "pets.patina");
    for (const [name, test] of Object.entries(tests)) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
      const page = await context.newPage();
      const said = [];
      page.on("pageerror", (error) => said.push(String(error)));
      page.on("console", (message) => message.type() === "error" && said.push(message.text()));
      const picture = (file) => page.screenshot({ path: path.join(folder, "pictures", file + ".png"), fullPage: true });
      try {
        await test(page, { browser, board, serve, picture });
        assert.deepEqual(said, [], "the page reports no error");
        console.log("passed: " + name);
      } catch (error) {
        ++failed;
        await picture("failed").catch(() => {});
        console.log(`FAILED: ${name}\n${error.stack}\n${said.join("\n")}`);
      }
      await context.close();
    }
  } finally {
    await browser.close();
    servers.forEach((server) => server.kill());
  }
  process.exit(failed > 0 ? 1 : 0);
}

main().catch((error) => {
  console.log(error.stack);
  servers.forEach((server) => server.kill());
  process.exit(1);
});
