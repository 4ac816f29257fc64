// Owns what the survey page promises before anybody answers: languages, looks, weight, access for everyone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LOCALES, METRICS, Server, accessibility, close, exchange, launch, open, overflow, smallTargets, witness } from "./harness.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const [metric, { low, high }] of Object.entries(METRICS)) {
  for (const [locale, dir] of Object.entries(LOCALES)) {
    describe(`the ${metric} page in ${locale}`, () => {
      let link;
      before(async () => {
        link = await server.link(metric, locale);
      });

      test("is in the customer's language, reads in its direction and asks every point of the scale, the lowest first", async () => {
        const page = await open(browser, link);
        assert.equal(page.answer.status(), 200);
        assert.equal(await page.locator("html").getAttribute("lang"), locale);
        assert.equal(await page.locator("html").getAttribute("dir"), dir);
        const scores = await page.locator("input[type=radio][name=score]").evaluateAll((radios) => radios.map(({ value }) => Number(value)));
        assert.deepEqual(scores, Array.from({ length: high - low + 1 }, (_, step) => low + step));
        assert.equal(await page.locator("input[name=score]:checked").count(), 0, "nothing is chosen before the customer chooses");
        if (locale !== "en") {
          const labels = await page.locator("label").allInnerTexts();
          assert.ok(!/[0-9]/.test(labels.join("")), `digits of another language: ${labels.join(" | ")}`);
        }
        const [first, second] = await page.locator("label:has(input[name=score]), input[name=score] + label").evaluateAll((all) =>
          all.slice(0, 2).map((one) => one.getBoundingClientRect()),
        );
        if (first.top === second.top) assert.equal(second.left > first.left, dir === "ltr", "the lowest score stands where reading begins");
        await close(page);
      });

      for (const colorScheme of ["light", "dark"]) {
        test(`has nothing that axe complains about, nor an error, in ${colorScheme}`, async () => {
          const page = await open(browser, `${link}/${high}`, { colorScheme });
          assert.deepEqual(await accessibility(page), []);
          assert.deepEqual(page.troubles, []);
          await close(page);
        });
      }

      test("fits a window of 320 pixels without sideways scrolling, and every target is big enough for a thumb", async () => {
        const page = await open(browser, `${link}/${low}`, { viewport: { width: 320, height: 640 } });
        assert.ok((await overflow(page)) <= 0, `${await overflow(page)} pixels too wide`);
        assert.deepEqual(await smallTargets(page), []);
        await close(page);
      });

      test("is one request of less than 14 KB, sets no cookie and keeps nothing in the browser", async () => {
        const proxy = await witness(server);
        const page = await open(browser, proxy.through(`${link}/${high}`));
        await page.waitForLoadState("networkidle");
        assert.deepEqual(proxy.seen, [`GET ${new URL(link).pathname}/${high}`]);
        assert.deepEqual(await page.context().cookies(), []);
        const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length]);
        assert.deepEqual(kept, [0, 0]);
        await close(page);
        await proxy.stop();

        for (const encoding of ["br", "gzip"]) {
          const answer = await exchange("GET", `${link}/${high}`, { headers: { "accept-encoding": encoding } });
          assert.equal(answer.headers["content-encoding"], encoding);
          assert.ok(answer.wire < 14 * 1024, `${answer.wire} bytes with ${encoding}`);
          assert.equal(answer.headers["set-cookie"], undefined);
        }
      });
    });
  }
}

test("the score link shows its score as chosen, and a score outside the scale shows none", async () => {
  const link = await server.link("csat");
  for (const [address, expected] of [["/4", "4"], ["", null], ["/9", null]]) {
    const page = await open(browser, link + address);
    const checked = page.locator("input[name=score]:checked");
    assert.equal((await checked.count()) ? await checked.inputValue() : null, expected);
    await close(page);
  }
});

test("the page tells nobody where it was opened, is not cached and is not indexed", async () => {
  const { headers } = await exchange("GET", await server.link("csat"));
  assert.equal(headers["referrer-policy"], "no-referrer");
  assert.match(headers["cache-control"], /no-store/);
  assert.match(headers["x-robots-tag"], /noindex/);
  assert.match(headers["content-security-policy"], /nonce-/);
  assert.doesNotMatch(headers["content-security-policy"], /unsafe-(inline|eval)/);
});

test("everybody gets the same page: a scanner's user agent changes nothing but the nonces", async () => {
  const link = await server.link("csat");
  const bare = (answer) => answer.body.toString().replace(/nonce="[^"]*"/g, "").replace(/(<input[^>]*name="nonce"[^>]*>)/g, "");
  const person = await exchange("GET", link, { headers: { "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X)" } });
  const scanner = await exchange("GET", link, { headers: { "user-agent": "BarracudaCentral/1.0 (+mail scanner; bot)" } });
  assert.equal(bare(scanner), bare(person));
});

test("the page can be read with forced colours and with motion reduced", async () => {
  const page = await open(browser, `${await server.link("nps", "fa")}/7`, { forcedColors: "active", reducedMotion: "reduce" });
  assert.deepEqual(await accessibility(page), []);
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await close(page);
});
