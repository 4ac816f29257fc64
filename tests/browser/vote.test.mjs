// Owns how people answer: by mouse, keyboard and touch, with and without JavaScript, and what is stored of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { METRICS, Server, awake, choose, chooseByKeyboard, chosen, close, exchange, launch, open, send, tabTo } from "./harness.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with JavaScript" : "without JavaScript";

  for (const [metric, score, locale] of [["csat", 4, "en"], ["ces", 1, "fa"], ["nps", 0, "ar"], ["nps", 10, "fa"]]) {
    test(`a ${metric} vote by mouse ${how}, in ${locale}, is stored once with its score and comment`, async () => {
      const survey = await server.survey(metric);
      const { link } = await server.invite(survey, locale);
      const page = await open(browser, link, { javaScriptEnabled });
      await choose(page, score);
      await page.locator("textarea[name=comment]").click();
      await page.keyboard.type("خیلی خوب بود — thanks!");
      await send(page);
      assert.equal(page.answer.status(), 200);
      const [stored, ...more] = await server.settled(survey, 1);
      assert.deepEqual(more, []);
      assert.equal(stored.raw, score);
      assert.equal(stored.comment, "خیلی خوب بود — thanks!");
      assert.equal(stored.locale, locale);
      assert.deepEqual(page.troubles, []);
      await close(page);
    });

    test(`a ${metric} vote by keyboard alone ${how}, in ${locale}, is stored once with its score and comment`, async () => {
      const survey = await server.survey(metric);
      const { link } = await server.invite(survey, locale);
      const page = await open(browser, link, { javaScriptEnabled });
      await chooseByKeyboard(page, score);
      await tabTo(page, "textarea[name=comment]");
      await page.keyboard.type("typed");
      await tabTo(page, "button[type=submit]");
      const posted = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.request().isNavigationRequest());
      await page.keyboard.press("Enter");
      assert.equal((await posted).status(), 200);
      await page.waitForLoadState("load");
      const [stored, ...more] = await server.settled(survey, 1);
      assert.deepEqual(more, []);
      assert.equal(stored.raw, score);
      assert.equal(stored.comment, "typed");
      await close(page);
    });
  }

  test(`"change my answer" changes it ${how}: the last answer counts, and there is still one`, async () => {
    const survey = await server.survey("csat");
    const { link } = await server.invite(survey);
    const page = await open(browser, `${link}/2`, { javaScriptEnabled });
    await send(page);
    assert.equal((await server.settled(survey, 1))[0].raw, 2);

    await page.getByRole("link", { name: /change/i }).or(page.getByRole("button", { name: /change/i })).click();
    await page.waitForLoadState("load");
    await choose(page, 5);
    assert.equal(await chosen(page), "5");
    await send(page);
    const found = await server.responses(survey);
    assert.equal(found.length, 1);
    assert.equal(found[0].raw, 5);
    assert.ok(found[0].versions >= 2, `${found[0].versions} versions`);
    const { total } = await server.api("GET", `/api/v1/reports/breakdown?survey=${survey}`);
    assert.equal(total.n, 1);
    assert.equal(total.counts["2"], 0);
    assert.equal(total.counts["5"], 1);
    await close(page);
  });
}

test("choosing another score sends nothing: only the button does", async () => {
  const survey = await server.survey("nps");
  const { link } = await server.invite(survey);
  const page = await open(browser, link, { javaScriptEnabled: false });
  const posts = [];
  page.on("request", (request) => request.method() === "POST" && posts.push(request.url()));
  for (const score of [0, 10, 5]) await choose(page, score);
  assert.deepEqual(await server.settled(survey, 1), []);
  assert.deepEqual(posts, []);
  await close(page);
});

test("opening the mail's score link and moving the mouse is one vote with that score", async () => {
  const survey = await server.survey("csat");
  const { link } = await server.invite(survey);
  const page = await open(browser, `${link}/4`);
  await awake(page);
  await page.mouse.move(100, 200);
  await page.mouse.move(140, 260, { steps: 5 });
  const found = await server.settled(survey, 1);
  assert.deepEqual(found.map(({ raw }) => raw), [4]);
  // Going on moving adds nothing.
  await page.mouse.move(20, 20, { steps: 10 });
  const later = await server.settled(survey, 2);
  assert.deepEqual(later.map(({ raw, versions }) => [raw, versions]), [[4, 1]]);
  await close(page);
});

test("opening the mail's score link and one touch of the glass is one vote with that score", async () => {
  const survey = await server.survey("nps");
  const { link } = await server.invite(survey, "fa");
  const page = await open(browser, `${link}/9`, { hasTouch: true, isMobile: true });
  await awake(page);
  await page.touchscreen.tap(180, 8);
  const found = await server.settled(survey, 1);
  assert.deepEqual(found.map(({ raw }) => raw), [9]);
  await close(page);
});

test("opening the mail's score link and one key is one vote with that score", async () => {
  const survey = await server.survey("ces");
  const { link } = await server.invite(survey, "ar");
  const page = await open(browser, `${link}/6`);
  await awake(page);
  await page.keyboard.press("Tab");
  const found = await server.settled(survey, 1);
  assert.deepEqual(found.map(({ raw }) => raw), [6]);
  await close(page);
});

test("the link without a score is no vote, however much the mouse moves", async () => {
  const survey = await server.survey("csat");
  const { link } = await server.invite(survey);
  const page = await open(browser, link);
  await awake(page);
  await page.mouse.move(20, 20, { steps: 10 });
  assert.deepEqual(await server.settled(survey, 1), []);
  assert.deepEqual(page.troubles, []);
  await close(page);
});

test("two opens of the same link by the same person are one response", async () => {
  const survey = await server.survey("csat");
  const { link } = await server.invite(survey);
  for (const score of [3, 5]) {
    const page = await open(browser, `${link}/${score}`);
    await send(page);
    await close(page);
  }
  const found = await server.settled(survey, 2);
  assert.deepEqual(found.map(({ raw }) => raw), [5]);
});

test("a comment that is too long comes back with a message, and with what was typed", async () => {
  const survey = await server.survey("csat");
  const { link } = await server.invite(survey);
  const page = await open(browser, `${link}/3`, { javaScriptEnabled: false });
  const long = "ناراضی ".repeat(700);
  await page.locator("textarea[name=comment]").evaluate((box) => box.removeAttribute("maxlength"));
  await page.locator("textarea[name=comment]").fill(long);
  await send(page);
  assert.equal(page.answer.status(), 422);
  assert.equal((await page.locator("textarea[name=comment]").inputValue()).trim(), long.trim());
  assert.equal(await chosen(page), "3");
  await close(page);
});

test("GET and HEAD of every link store nothing", async () => {
  for (const [metric, { low, high }] of Object.entries(METRICS)) {
    const survey = await server.survey(metric);
    const { link } = await server.invite(survey);
    for (let score = low; score <= high; score++) {
      for (const method of ["HEAD", "GET"]) {
        for (const address of [link, `${link}/${score}`]) {
          const headers = { "sec-fetch-user": "?1", "sec-fetch-site": "none", "sec-fetch-mode": "navigate" };
          assert.equal((await exchange(method, address, { headers })).status, 200);
        }
      }
    }
    assert.deepEqual(await server.settled(survey, 1), []);
  }
});
