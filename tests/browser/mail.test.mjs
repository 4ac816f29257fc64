// Owns the mail of an invitation as Chromium shows it: size and wrapping of its cells, contrast, direction, and what it asks the network for.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LOCALES, METRICS, Server, accessibility, close, htmlOf, launch, open, overflow } from "./harness.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** The HTML of the mail that a customer of a new survey gets. */
const mailed = async (metric, locale, fields = {}) => {
  const survey = await server.survey(metric, { deliver: ["email"], ...fields });
  const email = `${survey}@example.com`;
  const customer = { email, name: "Sara", locale };
  await server.api("POST", "/api/v1/interactions", { survey, ticket: { id: "48213", subject: "Printer does not print" }, customer });
  return htmlOf(await server.mail(`<${email}>`));
};

/** A browser page with the mail in it. */
const shown = async (html, options = {}) => {
  const page = await open(browser, null, options);
  page.asked = [];
  page.on("request", (request) => page.asked.push(request.url()));
  await page.route("**/*", (route) => route.abort());
  await page.setContent(html, { waitUntil: "load" });
  return page;
};

/** The cells of the scale, in reading order: where they stand and how they look. */
const cells = (page) =>
  page.locator("a[aria-label]").evaluateAll((links) =>
    links.map((link) => {
      const { left, top, right, width, height } = link.getBoundingClientRect();
      return { left, right, top: Math.round(top), width, height, text: link.textContent, border: getComputedStyle(link).borderTopColor };
    }),
  );

/** How many cells stand in each line. */
const lines = (found) => Object.values(found.reduce((counts, { top }) => ({ ...counts, [top]: (counts[top] ?? 0) + 1 }), {}));

describe("a mail", () => {
  for (const [locale, dir] of Object.entries(LOCALES)) {
    for (const [metric, wrapped] of [["csat", [5]], ["ces", [4, 3]], ["nps", [6, 5]]]) {
      test(`${metric} in ${locale}: cells for thumbs, which wrap in the middle of the scale where the window is small`, async () => {
        const html = await mailed(metric, locale);
        for (const [width, expected] of [[320, wrapped], [700, [METRICS[metric].high - METRICS[metric].low + 1]]]) {
          const page = await shown(html, { viewport: { width, height: 640 } });
          const found = await cells(page);
          assert.deepEqual(lines(found), expected, `${width} pixels`);
          for (const cell of found) assert.ok(cell.width >= 44 && cell.height >= 44, `${cell.text}: ${cell.width} x ${cell.height}`);
          const [first, second] = found;
          assert.ok(dir === "rtl" ? second.right < first.left : first.right < second.left, "the lowest point is read first");
          assert.ok((await overflow(page)) <= 0, `${width} pixels: ${await overflow(page)} too wide`);
          const card = await page.locator("table.card").boundingBox();
          assert.equal(card.width, Math.min(width, 600));
          assert.deepEqual(page.asked, [], "no image and nothing else is fetched");
          await close(page);
        }
      });
    }
  }

  // In the light brands that cannot be read on white, in the dark brands that cannot be read on black.
  for (const [display, color] of [["numbers", "#fff2a8"], ["faces", "#00e0ff"], ["stars", "#0a0a23"]]) {
    for (const locale of Object.keys(LOCALES)) {
      test(`${display} in ${locale} with the brand ${color}: readable in the light and in the dark`, async () => {
        const html = await mailed("csat", locale, { display, brand: { color, logo_url: "https://acme.example/logo.png" } });
        for (const colorScheme of ["light", "dark"]) {
          for (const body of [html, html.replace(/<style>.*?<\/style>/s, "")]) {
            const page = await shown(body, { colorScheme, viewport: { width: 360, height: 740 } });
            assert.deepEqual(await accessibility(page), [], colorScheme);
            for (const { border } of await cells(page)) assert.equal(border, "rgb(118, 118, 118)");
            assert.deepEqual(page.asked, ["https://acme.example/logo.png"]);
            await close(page);
          }
        }
      });
    }
  }

  test("the words of both ends stand below the first and the last cell", async () => {
    for (const [display, low, high] of [["numbers", "1 = Very dissatisfied", "5 = Very satisfied"], ["faces", "Very dissatisfied", "Very satisfied"]]) {
      const page = await shown(await mailed("csat", "en", { display }), { viewport: { width: 700, height: 640 } });
      const found = await cells(page);
      const [left, right] = [page.getByText(low, { exact: true }), page.getByText(high, { exact: true })];
      const text = (place) => place.evaluate((cell) => ((range) => (range.selectNodeContents(cell), range.getBoundingClientRect().toJSON()))(document.createRange()));
      assert.ok(Math.abs((await text(left)).left - found[0].left) <= 1);
      assert.ok(Math.abs((await text(right)).right - found.at(-1).right) <= 1);
      await close(page);
    }
  });

  test("without an image the company is still named", async () => {
    const logo_url = "https://acme.example/logo.png";
    const page = await shown(await mailed("nps", "en", { brand: { color: "#0b6e4f", logo_url } }), { colorScheme: "dark" });
    const logo = page.getByAltText("Acme");
    assert.ok(await logo.isVisible());
    await close(page);
  });
});
