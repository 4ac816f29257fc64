// Takes a picture of every page and of the mail, in a phone's and a desk's width, in English and Persian, light and dark: node screenshots.mjs OUTDIR
//
// `survey-page.png`, the picture of the README, is survey-en-360-light.png.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Server, close, htmlOf, launch, open, send } from "./harness.mjs";

const folder = process.argv[2];
if (!folder) throw new Error("usage: node screenshots.mjs OUTDIR");
mkdirSync(folder, { recursive: true });

/** A happiness report with votes. Gives its address. */
const report = async (server, locale) => {
  const survey = await server.survey("csat", { locale, public: { enabled: true, minimum: 10, lot: 5, title: null } });
  const scores = [5, 5, 4, 5, 3, 5, 4, 5, 5, 2, 5, 4, 5, 5, 1, 5, 4, 5, 5, 4];
  for (let vote = 0; vote < 60; vote++) await server.vote((await server.invite(survey, locale)).link, scores[vote % scores.length]);
  await new Promise((done) => setTimeout(done, 1500)); // a complete lot is visible within a second
  return `${server.url}/happiness/${survey}`;
};

/** Every page, by name: what brings an open browser page to it. */
const pages = async (server, locale) => {
  const [csat, over, happiness] = [await server.survey("csat"), await server.survey("csat"), await report(server, locale)];
  const empty = await server.survey("csat", { locale, public: { enabled: true, minimum: 10, lot: 5, title: null } });
  const ended = (await server.invite(over, locale)).link;
  await server.api("POST", `/api/v1/surveys/${over}/archive`);
  const mailed = await server.survey("csat", { deliver: ["email"] });
  const email = `picture-${locale}@example.com`;
  await server.api("POST", "/api/v1/interactions", { survey: mailed, ticket: { id: "1" }, customer: { email, locale } });
  const [stop] = (await server.mail(email)).match(/http:\/\/localhost:\d+\/u\/[a-z2-7]{53}/);
  let mails = 0;
  const mail = async (metric, fields) => {
    const survey = await server.survey(metric, { deliver: ["email"], ...fields });
    const email = `mail-${locale}-${++mails}@example.com`;
    await server.api("POST", "/api/v1/interactions", { survey, ticket: { id: "48213" }, customer: { email, name: "Sara", locale }, agent: { name: "Jonas" } });
    const html = htmlOf(await server.mail(email));
    return (page) => page.setContent(html, { waitUntil: "load" });
  };
  const survey = async (metric, score) => `${await server.link(metric, locale)}/${score}`;
  const go = (address) => (page) => page.goto(address, { waitUntil: "load" });
  return {
    survey: go(await survey("csat", 4)),
    "survey-unchosen": go(await server.link("csat", locale)),
    ces: go(await survey("ces", 6)),
    nps: go(await survey("nps", 9)),
    thanks: async (page) => {
      await page.goto(`${(await server.invite(csat, locale)).link}/5`);
      await page.locator("textarea[name=comment]").fill("👍");
      await send(page);
    },
    "too-long": async (page) => {
      await page.goto(`${(await server.invite(csat, locale)).link}/2`);
      await page.locator("textarea[name=comment]").evaluate((box) => box.removeAttribute("maxlength"));
      await page.locator("textarea[name=comment]").fill("long ".repeat(1000));
      await send(page);
    },
    confirm: async (page) => {
      const { link } = await server.invite(csat, locale);
      await page.addInitScript(() => addEventListener("load", () => location.pathname.endsWith("/3") && document.forms[0].submit()));
      await page.goto(`${link}/3`);
      await page.waitForURL(link);
    },
    faces: go(`${(await server.invite(await server.survey("csat", { display: "faces" }), locale)).link}/4`),
    stars: go(`${(await server.invite(await server.survey("csat", { display: "stars" }), locale)).link}/3`),
    "not-found": go(`${server.url}/s/${"a".repeat(53)}`),
    ended: go(ended),
    unsubscribe: go(stop),
    unsubscribed: async (page) => {
      await page.goto(stop);
      await send(page);
    },
    happiness: go(happiness),
    "happiness-list": go(`${server.url}/happiness`),
    "happiness-collecting": go(`${server.url}/happiness/${empty}`),
    "mail-csat": await mail("csat"),
    "mail-faces": await mail("csat", { display: "faces", brand: { color: "#1d4ed8", logo_url: null } }),
    "mail-stars": await mail("csat", { display: "stars", company: null, brand: { color: "#f5c518", logo_url: null } }),
    "mail-nps": await mail("nps"),
    mailbox: go(`${server.url}/dev/mailbox`),
    "mailbox-mail": async (page) => {
      await page.goto(`${server.url}/dev/mailbox`);
      await page.locator(".mails a").first().click();
      await page.frameLocator("iframe").locator("a").first().waitFor();
    },
    start: go(`${server.url}/`),
    docs: go(`${server.url}/docs`),
  };
};

const [server, browser] = await Promise.all([Server.start(), launch()]);
try {
  for (const locale of ["en", "fa"]) {
    for (const [name, reach] of Object.entries(await pages(server, locale))) {
      for (const width of [360, 1280]) {
        for (const colorScheme of ["light", "dark"]) {
          const page = await open(browser, null, { viewport: { width, height: 740 }, deviceScaleFactor: width < 500 ? 2 : 1, colorScheme, locale });
          await reach(page);
          await page.screenshot({ path: join(folder, `${name}-${locale}-${width}-${colorScheme}.png`), fullPage: true });
          await close(page);
        }
      }
    }
  }
  console.log(`pictures in ${folder}`);
} finally {
  await browser.close();
  await server.stop();
}
