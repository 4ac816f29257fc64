// Owns that a mail scanner casts no vote, whatever its script does inside the page.
//
// The script runs in the page itself, as a scanner's does. A browser driver's `evaluate` would count as a person's gesture, and so would most
// calls on a locator: until the votes are counted, these tests only listen.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, accessibility, awake, close, launch, open } from "./harness.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// What each scanner does, once a page has stood for half a second. `window.name` outlives the navigation: three pages, then it rests.
const SCANNERS = {
  "scrolls and gives every control the focus": () => {
    window.scrollTo(0, document.body.scrollHeight);
    document.querySelectorAll("a, button, input, textarea, label").forEach((control) => control.focus());
  },
  "calls click() on every control": () => {
    document.querySelectorAll("input, label, summary, button").forEach((control) => control.click());
  },
  "calls requestSubmit() on every form": () => {
    document.querySelectorAll("form").forEach((form) => form.requestSubmit(form.querySelector("button")));
  },
  "calls submit() on every form": () => {
    document.querySelectorAll("form").forEach((form) => form.submit());
  },
  "dispatches every event of a person and then submits": () => {
    for (const target of [window, document, document.body, ...document.querySelectorAll("input, button, label")]) {
      for (const name of ["pointermove", "pointerdown", "pointerup"]) target.dispatchEvent(new PointerEvent(name, { bubbles: true }));
      for (const name of ["mousemove", "mousedown", "click"]) target.dispatchEvent(new MouseEvent(name, { bubbles: true }));
      for (const name of ["keydown", "keyup"]) target.dispatchEvent(new KeyboardEvent(name, { bubbles: true, key: "Enter" }));
      for (const name of ["touchstart", "touchend", "scroll", "focus", "change", "input"]) target.dispatchEvent(new Event(name, { bubbles: true }));
    }
    document.querySelectorAll("form").forEach((form) => form.requestSubmit());
  },
};

const inPage = (act) => `
  addEventListener("load", () => setTimeout(() => {
    const pages = Number(window.name || 0);
    if (pages >= 3) return;
    window.name = String(pages + 1);
    (${act})();
    console.log("scanned");
  }, 500));`;

/**
 * Opens the score link with a scanner's script inside, and waits until the script has acted on so many `pages`, each but the first being
 * what the server answered to the form that the script posted on the one before. Gives the page.
 */
const scan = async (link, act, pages) => {
  const page = await open(browser, null, { init: inPage(act) });
  let acted = 0;
  page.on("console", (message) => (acted += Number(message.text() === "scanned")));
  await page.goto(link, { waitUntil: "load" });
  for (let tries = 0; acted < pages; tries++) {
    assert.ok(tries < 100, `the script acted on ${acted} pages, not ${pages}: this test would show nothing`);
    await new Promise((done) => setTimeout(done, 100));
  }
  return page;
};

for (const [what, act] of Object.entries(SCANNERS)) {
  test(`a scanner that renders the page and ${what} gives no vote`, async () => {
    const survey = await server.survey("csat");
    const { link } = await server.invite(survey);
    const page = await scan(`${link}/4`, act, /click|ubmit/.test(what) ? 3 : 1);
    assert.deepEqual(await server.settled(survey, 1), []);
    const { total } = await server.api("GET", `/api/v1/reports/breakdown?survey=${survey}`);
    assert.equal(total.n, 0);
    assert.equal(total.score, null);

    // The scan used nothing up: the person who comes after it votes as if it had not been there.
    const person = await open(browser, `${link}/5`);
    await awake(person);
    await person.mouse.move(50, 50, { steps: 5 });
    const found = await server.settled(survey, 1);
    assert.deepEqual(found.map(({ raw }) => raw), [5], "the same question, asked the same way, does see a person's vote");
    await close(page);
    await close(person);
  });
}

test("a scanner that comes after the person changes nothing", async () => {
  const survey = await server.survey("csat");
  const { link } = await server.invite(survey);
  await server.vote(link, 5, { comment: "mine" });
  const page = await scan(`${link}/1`, SCANNERS["calls submit() on every form"], 3);
  const found = await server.settled(survey, 2);
  assert.deepEqual(found.map(({ raw, comment }) => [raw, comment]), [[5, "mine"]]);
  await close(page);
});

test("a form that was sent without a person gets a confirm page, and its button counts when a person presses it", async () => {
  const survey = await server.survey("csat");
  const { link } = await server.invite(survey);
  const once = `() => { if (pages === 0) document.querySelector("form").submit(); }`;
  const page = await scan(`${link}/4`, once, 2);
  await page.waitForURL((url) => !url.pathname.endsWith("/4"));
  await page.waitForLoadState("load");
  assert.deepEqual(await server.settled(survey, 1), []);
  assert.deepEqual(await accessibility(page), []);
  const posted = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.request().isNavigationRequest());
  await page.locator("form button[type=submit]").first().click();
  assert.equal((await posted).status(), 200);
  const found = await server.settled(survey, 1);
  assert.deepEqual(found.map(({ raw }) => raw), [4]);
  await close(page);
});
