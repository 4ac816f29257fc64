// Owns the odd ways of a vote: browsers that give fewer signs of a person than others, reports that come late, the back button.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, awake, choose, chosen, close, launch, open, send, tabTo, witness } from "./harness.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A browser that sends none of the Sec-Fetch headers is one whose proxy drops them. */
const withoutHeaders = { drop: /^sec-fetch-/ };

/** Presses a key, and waits for the answer to the form that it sends. */
const pressToSend = async (page, key) => {
  const posted = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.request().isNavigationRequest());
  await page.keyboard.press(key);
  assert.equal((await posted).status(), 200);
  await page.waitForLoadState("load");
};

const SENDERS = {
  "the mouse": async (page) => {
    await choose(page, 3);
    await send(page);
  },
  "the keyboard": async (page) => {
    await tabTo(page, "input[name=score]");
    await page.keyboard.press("Space");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await tabTo(page, "button[type=submit]");
    await pressToSend(page, "Enter");
  },
};

for (const [how, act] of Object.entries(SENDERS)) {
  test(`where the browser sends no sign, the page's script does: a vote by ${how} counts at once`, async () => {
    const survey = await server.survey("csat");
    const proxy = await witness(server, withoutHeaders);
    const page = await open(browser, proxy.through((await server.invite(survey)).link));
    await awake(page);
    await act(page);
    const found = await server.settled(survey, 1);
    assert.deepEqual(found.map(({ raw }) => raw), [3]);
    assert.equal(proxy.seen.filter((what) => what.startsWith("POST")).length, 1, proxy.seen.join(", "));
    await close(page);
    await proxy.stop();
  });
}

for (const how of ["the mouse", "the keyboard"]) {
  test(`where the browser sends no sign, a person passes the confirm page by ${how}`, async () => {
    const survey = await server.survey("csat");
    const proxy = await witness(server, withoutHeaders);
    const { link } = await server.invite(survey);
    const init = `addEventListener("load", () => { if (location.pathname.endsWith("/4")) document.querySelector("form").submit(); });`;
    const page = await open(browser, proxy.through(link), { init });
    await page.goto(proxy.through(`${link}/4`));
    await page.waitForURL((url) => !url.pathname.endsWith("/4"));
    await awake(page);
    assert.deepEqual(await server.settled(survey, 1), []);
    if (how === "the mouse") {
      await send(page);
    } else {
      await tabTo(page, "button[type=submit]");
      await pressToSend(page, "Enter");
    }
    assert.deepEqual((await server.settled(survey, 1)).map(({ raw }) => raw), [4]);
    await close(page);
    await proxy.stop();
  });
}

test("where the browser sends no sign and runs no script, the second button counts, and the comment is not lost", async () => {
  const survey = await server.survey("csat");
  const proxy = await witness(server, withoutHeaders);
  const page = await open(browser, proxy.through((await server.invite(survey)).link), { javaScriptEnabled: false });
  await choose(page, 2);
  await page.locator("textarea[name=comment]").fill("two\nlines");
  await page.locator("input[name=consent]").check();
  await send(page);
  assert.deepEqual(await server.settled(survey, 1), []);
  await send(page);
  const found = await server.settled(survey, 1);
  assert.deepEqual(found.map(({ raw, comment, consent }) => [raw, comment, consent]), [[2, "two\nlines", true]]);
  await close(page);
  await proxy.stop();
});

test("the script's report changes nothing when it arrives after the form of the same page", async () => {
  const survey = await server.survey("csat");
  let release;
  const held = new Promise((done) => (release = done));
  const proxy = await witness(server, { gate: (what) => (what.endsWith("/touch") ? held : undefined) });
  const page = await open(browser, proxy.through(`${(await server.invite(survey)).link}/4`));
  await awake(page);
  await page.mouse.move(60, 60, { steps: 5 });
  await choose(page, 1);
  await send(page);
  assert.deepEqual((await server.settled(survey, 1)).map(({ raw }) => raw), [1]);
  assert.ok(proxy.seen.some((what) => what.endsWith("/touch")), "the script reported nothing: this test would show nothing");
  release();
  const found = await server.settled(survey, 2);
  assert.deepEqual(found.map(({ raw, versions }) => [raw, versions]), [[1, 1]]);
  await close(page);
  await proxy.stop();
});

// A page that the browser has kept goes on where it was, with its old nonce: what it reports then is as late as in the test above.
test("going back after the answer, and loading the page again, changes nothing until Send is pressed", async () => {
  const survey = await server.survey("csat");
  const page = await open(browser, `${(await server.invite(survey)).link}/4`);
  await awake(page);
  await choose(page, 2);
  await send(page);
  const answered = (await server.settled(survey, 1)).map(({ raw, versions }) => [raw, versions]);
  assert.equal(answered[0][0], 2);
  for (const again of [() => page.goBack({ waitUntil: "load" }), () => page.reload({ waitUntil: "load" })]) {
    await again();
    assert.equal(await chosen(page), "4", "not the page of the mail's link: this test would show nothing");
    await awake(page);
    await page.mouse.move(90, 90, { steps: 10 });
    await page.mouse.move(10, 10, { steps: 10 });
    assert.deepEqual((await server.settled(survey, 2)).map(({ raw, versions }) => [raw, versions]), answered);
  }
  await choose(page, 5);
  await send(page);
  assert.deepEqual((await server.settled(survey, 2)).map(({ raw }) => raw), [5]);
  await close(page);
});
