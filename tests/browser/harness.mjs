// Owns what every browser test needs: a running nabz with its own data folder, Chromium, and the questions asked of both.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

export const METRICS = { csat: { low: 1, high: 5 }, ces: { low: 1, high: 7 }, nps: { low: 0, high: 10 } };
export const LOCALES = { en: "ltr", fa: "rtl", ar: "rtl" };

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** A port nobody listens on. */
const freePort = () =>
  new Promise((done, fail) => {
    const socket = createSocket();
    socket.once("error", fail);
    socket.listen(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => done(port));
    });
  });

/** One HTTP exchange, byte for byte: no header of its own but Host, nothing followed, nothing decompressed. `wire` counts head and body. */
export const exchange = (method, url, { headers = {}, body } = {}) =>
  new Promise((done, fail) => {
    const call = request(url, { method, headers: { connection: "close", ...headers } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () =>
        done({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts), wire: answer.socket.bytesRead }),
      );
    });
    call.once("error", fail);
    call.end(body);
  });

/** A nabz of our own. On `localhost`, because browsers send the Sec-Fetch headers only there and over https. */
export class Server {
  static async start() {
    const binary = resolve(process.env.NABZ_BINARY ?? "../../target/debug/nabz");
    const folder = mkdtempSync(join(tmpdir(), "nabz-browser-"));
    const port = await freePort();
    const server = new Server();
    Object.assign(server, { folder, url: `http://localhost:${port}`, key: randomBytes(24).toString("hex"), log: "", surveys: 0 });
    server.child = spawn(binary, ["serve"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env.PATH,
        NABZ__SERVER__LISTEN: `127.0.0.1:${port}`,
        NABZ__SERVER__PUBLIC_URL: server.url,
        NABZ__DATA_DIR: folder,
        NABZ__DATABASE__URL: `sqlite:${join(folder, "nabz.db")}`,
        NABZ__AUTH__ROOT_KEY: server.key,
        NABZ__LIMITS__VOTES_PER_CLIENT_PER_MINUTE: "0",
        NABZ__LIMITS__VOTES_PER_LINK_PER_MINUTE: "0",
        NABZ__LIMITS__API_PER_KEY_PER_MINUTE: "0",
      },
    });
    server.ended = new Promise((done) => {
      server.child.once("error", (error) => done(`could not be started: ${error.message} (NABZ_BINARY names the program; tests/all builds it)`));
      server.child.once("exit", (code, signal) => done(`ended with ${signal ?? code}`));
    });
    for (const stream of [server.child.stdout, server.child.stderr]) stream.on("data", (text) => (server.log += text));
    process.once("exit", () => server.child.kill("SIGKILL"));
    await server.ready();
    return server;
  }

  async ready() {
    let ended;
    this.ended.then((how) => (ended = how));
    for (let tries = 0; tries < 300; tries++) {
      if (ended) throw new Error(`nabz ${ended}\n${this.log}`);
      const answer = await exchange("GET", `${this.url}/readyz`).catch(() => null);
      if (answer?.status === 200) return;
      await pause(50);
    }
    throw new Error(`nabz was not ready within 15 s\n${this.log}`);
  }

  async stop() {
    this.child.kill("SIGTERM");
    await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }

  async api(method, path, body) {
    const answer = await exchange(method, this.url + path, {
      headers: { authorization: `Bearer ${this.key}`, ...(body ? { "content-type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = answer.body.toString();
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text}\n${this.log.slice(-2000)}`);
    return text ? JSON.parse(text) : null;
  }

  /** A survey of its own for one test, whose links the caller sends. Gives its slug. */
  async survey(metric, fields = {}) {
    const slug = `${metric}-${++this.surveys}`;
    await this.api("POST", "/api/v1/surveys", {
      slug,
      name: "Support satisfaction",
      metric,
      company: "Acme",
      deliver: [],
      policy: { quiet_days: 0, quiet_any_days: 0 },
      ...fields,
    });
    return slug;
  }

  /** An invited interaction. Gives the invitation: its id and link. */
  async invite(survey, locale = "en") {
    const ticket = randomBytes(6).toString("hex");
    const answer = await this.api("POST", "/api/v1/interactions", {
      survey,
      ticket: { id: ticket, subject: "The printer is on fire" },
      customer: { email: `c-${ticket}@example.com`, name: "Sara", locale },
      agent: { id: "17", name: "Jonas" },
      team: "Billing",
      channel: "email",
    });
    if (answer.outcome !== "invited") throw new Error(`not invited: ${JSON.stringify(answer)}`);
    return answer.invitation;
  }

  async link(metric, locale = "en") {
    return (await this.invite(await this.survey(metric), locale)).link;
  }

  async responses(survey) {
    return (await this.api("GET", `/api/v1/responses?survey=${survey}&limit=500`)).items;
  }

  /**
   * The responses of a survey, asked for up to 20 times in 2 s: as soon as there are `expected` of them, or the last answer.
   * To show that something was NOT stored, ask with an `expected` above it: then the whole time passes.
   */
  async settled(survey, expected) {
    let found = [];
    for (let tries = 0; tries < 20; tries++) {
      found = await this.responses(survey);
      if (found.length >= expected) break;
      await pause(100);
    }
    return found;
  }

  /** Votes as a browser without JavaScript does, for tests that need many votes. Gives the answer. */
  async vote(link, score, { comment = "", person = true } = {}) {
    const page = (await exchange("GET", `${link}/${score}`)).body.toString();
    const nonce = /<input[^>]*name="nonce"[^>]*>/.exec(page)?.[0].match(/value="([^"]*)"/)?.[1];
    if (!nonce) throw new Error(`no nonce on the page of ${link}\n${page}`);
    return exchange("POST", link, {
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        ...(person ? { "sec-fetch-user": "?1" } : {}),
      },
      body: new URLSearchParams({ nonce, score, comment }).toString(),
    });
  }

  /** The decoded text of the next mail to the address, from the folder that mail is written to. */
  async mail(address) {
    for (let tries = 0; tries < 100; tries++) {
      const folder = join(this.folder, "mail");
      let files = [];
      try {
        files = readdirSync(folder).filter((name) => name.endsWith(".eml"));
      } catch {
        // not made yet
      }
      const mails = files.map((name) => readFileSync(join(folder, name), "utf8"));
      const found = mails.find((mail) => mail.includes(address));
      if (found) return decodeMail(found);
      await pause(100);
    }
    throw new Error(`no mail to ${address} within 10 s\n${this.log.slice(-2000)}`);
  }
}

/** All parts of a mail as one text: header lines unfolded, quoted-printable and base64 bodies decoded. */
const decodeMail = (mail) => {
  // A line of a part may begin with dashes, too.
  const boundary = /boundary="([^"]+)"/.exec(mail)[1];
  const blocks = mail.replace(/\r\n/g, "\n").split(`\n--${boundary}`);
  return blocks
    .map((block) => {
      const at = `${block}\n\n`.indexOf("\n\n");
      const head = block.slice(0, at).replace(/\n[ \t]+/g, " ");
      const body = block.slice(at + 2);
      if (/^content-transfer-encoding: *base64/im.test(head)) return `${head}\n\n${Buffer.from(body, "base64")}`;
      if (!/^content-transfer-encoding: *quoted-printable/im.test(head)) return `${head}\n\n${body}`;
      const bytes = body.replace(/=\n/g, "").replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      return `${head}\n\n${Buffer.from(bytes, "latin1")}`;
    })
    .join("\n");
};

/** The HTML part of a decoded mail. */
export const htmlOf = (mail) => mail.slice(mail.indexOf("<!DOCTYPE html>"), mail.indexOf("</html>") + "</html>".length);

/**
 * A reverse proxy before the server that notes every request, also those that browser drivers hide (the favicon's).
 * It lets a request pass when `gate(method and path)` is done, without the headers whose names match `drop`.
 */
export const witness = async (server, { gate = () => undefined, drop = /^$/ } = {}) => {
  const seen = [];
  const proxy = createServer(async (incoming, outgoing) => {
    const what = `${incoming.method} ${incoming.url}`;
    seen.push(what);
    await gate(what);
    const headers = Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => !drop.test(name)));
    const onward = request(server.url + incoming.url, { method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onward.once("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  const url = `http://localhost:${proxy.address().port}`;
  return {
    seen,
    through: (link) => link.replace(server.url, url),
    stop: () => {
      proxy.closeAllConnections();
      return new Promise((done) => proxy.close(done));
    },
  };
};

/** Debian's Chromium, kept from calling home. */
export const launch = () =>
  chromium.launch({
    executablePath: process.env.NABZ_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

/** A page of a fresh browser profile that notes what went wrong on it: console errors, script errors, violations of the policy. */
export const open = async (browser, url, options = {}) => {
  const { init, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, ...rest });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.troubles = [];
  page.on("console", (message) => {
    // Chromium logs the status of a page it shows (404, 410, 422) as an error; that is the page's point.
    if (message.type() === "error" && !/^Failed to load resource: the server responded with a status of 4/.test(message.text())) {
      page.troubles.push(message.text());
    }
  });
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  if (init) await page.addInitScript(init);
  if (url) page.answer = await page.goto(url, { waitUntil: "load" });
  return page;
};

export const close = (page) => page.context().close();

/** Until the page's script believes a movement (300 ms), on a slow machine too. */
export const awake = (page) => page.waitForFunction(() => performance.now() > 600);

/** What axe finds against WCAG 2.0 to 2.2, levels A and AA: one line per rule, none when all is well. */
export const accessibility = async (page) => {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] } }),
  );
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
};

/** What is too small to be hit by a thumb: everything one can press, but links in running text (WCAG 2.5.5 excepts them). */
export const smallTargets = (page, least = 44) =>
  page.evaluate((least) => {
    const targets = new Set();
    for (const control of document.querySelectorAll("button, summary, select, textarea, input:not([type=hidden]), a[href]")) {
      const inText = control.tagName === "A" && getComputedStyle(control).display === "inline";
      if (!inText && control.getClientRects().length) targets.add(control.labels?.length && /radio|checkbox/.test(control.type) ? control.labels[0] : control);
    }
    return [...targets]
      .map((target) => ({ name: target.outerHTML.slice(0, 120), box: target.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 1 && box.height > 1 && (box.width < least - 0.5 || box.height < least - 0.5))
      .map(({ name, box }) => `${Math.round(box.width)}x${Math.round(box.height)}: ${name}`);
  }, least);

/** By how many pixels the page is wider than the window. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const radio = (score) => `input[type=radio][name=score][value="${score}"]`;

/** The score that is chosen on the page, as text, or null. */
export const chosen = async (page) => {
  const checked = page.locator("input[type=radio][name=score]:checked");
  return (await checked.count()) ? checked.getAttribute("value") : null;
};

/** Chooses a score with the mouse, on the label, as people do. */
export const choose = async (page, score) => {
  const around = page.locator("label").filter({ has: page.locator(radio(score)) });
  if (await around.count()) return around.click();
  const id = await page.locator(radio(score)).getAttribute("id");
  return page.locator(`label[for="${id}"]`).click();
};

export const send = async (page) => {
  const posted = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.request().isNavigationRequest());
  await page.locator("form button[type=submit]").first().click();
  page.answer = await posted;
  await page.waitForLoadState("load");
};

/** Presses Tab until the selector has the focus. */
export const tabTo = async (page, selector) => {
  for (let presses = 0; presses < 30; presses++) {
    if (await page.locator(`:is(${selector}):focus`).count()) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`30 presses of Tab do not reach ${selector}`);
};

/** Chooses a score with nothing but the keyboard: Tab into the group, Space, arrows. */
export const chooseByKeyboard = async (page, score) => {
  await tabTo(page, "input[name=score]");
  await page.keyboard.press("Space");
  for (let presses = 0; presses < 12; presses++) {
    const at = await chosen(page);
    if (at === String(score)) return;
    await page.keyboard.press(Number(at) < score ? "ArrowDown" : "ArrowUp");
  }
  throw new Error(`the arrow keys do not reach ${score}`);
};
