// Owns every page beside the survey's: thanks, refusals, unsubscribing, the happiness report, the start page and the API's description.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LOCALES, Server, accessibility, awake, close, exchange, launch, open, overflow, send, smallTargets } from "./harness.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Every page must hold this, in light and dark, and in a window of 320 pixels. `reach` gets a page and takes it where it should be looked at. */
const looksGood = async (reach, { status, locale }) => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, null, { colorScheme, viewport: { width: 320, height: 640 }, ...(locale ? { locale } : {}) });
    await reach(page);
    assert.equal(page.answer.status(), status);
    assert.deepEqual(await accessibility(page), [], colorScheme);
    assert.ok((await overflow(page)) <= 0, `${await overflow(page)} pixels too wide`);
    assert.deepEqual(await smallTargets(page, 24), []);
    assert.deepEqual(page.troubles, []);
    assert.deepEqual(await page.context().cookies(), []);
    if (locale) {
      assert.equal(await page.locator("html").getAttribute("lang"), locale);
      assert.equal(await page.locator("html").getAttribute("dir"), LOCALES[locale]);
    }
    await close(page);
  }
};
const at = (address) => async (page) => {
  page.answer = await page.goto(address, { waitUntil: "load" });
};

for (const locale of Object.keys(LOCALES)) {
  describe(`in ${locale}`, () => {
    test("the thanks page looks good", async () => {
      const survey = await server.survey("csat");
      await looksGood(
        async (page) => {
          await page.goto(`${(await server.invite(survey, locale)).link}/5`);
          await page.locator("textarea[name=comment]").fill("Quick and friendly");
          await send(page);
        },
        { status: 200, locale },
      );
      assert.equal((await server.settled(survey, 2)).length, 2);
    });

    test("the page of a link that does not exist is a kind 404", () => looksGood(at(`${server.url}/s/${"a".repeat(53)}`), { status: 404, locale }));

    test("the page of a survey that is over is a kind 410", async () => {
      const survey = await server.survey("ces");
      const { link } = await server.invite(survey, locale);
      await server.api("POST", `/api/v1/surveys/${survey}/archive`);
      await looksGood(at(link), { status: 410, locale });
    });

    test("the happiness report looks good while it collects, and when it is published", async () => {
      const survey = await server.survey("csat", { locale, public: { enabled: true, minimum: 10, lot: 5, title: null } });
      const report = `${server.url}/happiness/${survey}`;
      await looksGood(at(report), { status: 200, locale });
      for (let votes = 0; votes < 12; votes++) {
        const { link } = await server.invite(survey, locale);
        assert.equal((await server.vote(link, 1 + (votes % 5))).status, 200);
      }
      for (let tries = 0; tries < 40; tries++) {
        const { state } = JSON.parse((await exchange("GET", `${report}.json`)).body);
        if (state === "published") break;
        assert.ok(tries < 39, "the report was not published within 4 s");
        await new Promise((done) => setTimeout(done, 100));
      }
      await looksGood(at(report), { status: 200, locale });
    });
  });
}

test("an unknown address is a kind 404", () => looksGood(at(`${server.url}/no/such/page`), { status: 404 }));

test("the start page looks good", () => looksGood(at(`${server.url}/`), { status: 200 }));

test("the description of the API looks good", () => looksGood(at(`${server.url}/docs`), { status: 200 }));

for (const locale of Object.keys(LOCALES)) {
  test(`from the mail in ${locale}: the score link and one movement are a vote, and unsubscribing takes one press of a button`, async () => {
    const survey = await server.survey("csat", { deliver: ["email"] });
    const email = `mail-${locale}@example.com`;
    const ask = (ticket) =>
      server.api("POST", "/api/v1/interactions", { survey, ticket: { id: ticket }, customer: { email, name: "Sara", locale } });
    assert.equal((await ask("1")).outcome, "invited");
    const mail = await server.mail(email);
    const [score] = mail.match(/http:\/\/localhost:\d+\/s\/[a-z2-7]{53}\/4/) ?? assert.fail(`no score link in the mail\n${mail}`);
    const [stop] = mail.match(/http:\/\/localhost:\d+\/u\/[a-z2-7]{53}/) ?? assert.fail(`no unsubscribe link in the mail\n${mail}`);

    const page = await open(browser, score);
    assert.equal(await page.locator("input[name=score]:checked").inputValue(), "4");
    await awake(page);
    await page.mouse.move(60, 60, { steps: 5 });
    assert.deepEqual((await server.settled(survey, 1)).map(({ raw, via }) => [raw, via]), [[4, "email"]]);
    await close(page);

    await looksGood(at(stop), { status: 200, locale });
    assert.equal((await ask("2")).outcome, "invited", "opening the page unsubscribes nobody");
    const leaving = await open(browser, stop, { javaScriptEnabled: false });
    await send(leaving);
    assert.equal(leaving.answer.status(), 200);
    assert.deepEqual(await accessibility(await sameWithScript(leaving)), []);
    await close(leaving);
    const refused = await ask("3");
    assert.deepEqual([refused.outcome, refused.reason], ["skipped", "unsubscribed"]);
  });
}

/** The same markup in a page whose scripts run, because axe is a script. */
const sameWithScript = async (page) => {
  const copy = await open(browser, null);
  await copy.setContent(await page.content());
  return copy;
};
