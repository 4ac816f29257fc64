// Owns the developer's mailbox: the list, a mail in its frame, and that nothing in a mail runs or reaches out.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Server, accessibility, close, launch, open, overflow, smallTargets, witness } from "./harness.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const mailed = async (locale, name) => {
  const survey = await server.survey("nps", { deliver: ["email"] });
  const email = `${survey}@example.com`;
  await server.api("POST", "/api/v1/interactions", { survey, ticket: { id: "1" }, customer: { email, name, locale } });
  await server.mail(`<${email}>`);
  return email;
};

describe("the developer's mailbox", () => {
  test("is reached from the start page, lists mails in every language, and fits every window", async () => {
    const emails = [await mailed("en", "Sara"), await mailed("fa", "سارا"), await mailed("ar", "سارة")];
    for (const width of [320, 360, 1280]) {
      for (const colorScheme of ["light", "dark"]) {
        const page = await open(browser, `${server.url}/`, { colorScheme, viewport: { width, height: 740 }, locale: "en" });
        await page.getByRole("link", { name: "Look at the mails" }).click();
        for (const email of emails) assert.ok(await page.getByText(email).isVisible());
        assert.equal(await page.locator(".mails a").first().textContent(), "سؤال واحد من Acme", "the newest first");
        const looks = async () => {
          assert.deepEqual(await accessibility(page), [], `${width} ${colorScheme}`);
          assert.ok((await overflow(page)) <= 0, `${width}: ${await overflow(page)} too wide`);
          assert.deepEqual(await smallTargets(page, 24), []);
        };
        await looks();
        await page.locator(".mails a").last().click();
        assert.equal(await page.locator("h1").textContent(), "One question from Acme");
        assert.equal(await page.frameLocator("iframe").locator("a[aria-label]").count(), 11);
        await looks();
        assert.deepEqual(page.troubles, []);
        await close(page);
      }
    }
  });

  test("a score in a mail opens the survey's page", async () => {
    await mailed("en", "Sara");
    const page = await open(browser, `${server.url}/dev/mailbox`, { viewport: { width: 1280, height: 900 } });
    await page.locator(".mails a").first().click();
    const opened = page.context().waitForEvent("page");
    await page.frameLocator("iframe").locator("a[aria-label]").nth(9).click();
    const survey = await opened;
    await survey.waitForLoadState("load");
    assert.match(survey.url(), /\/s\/[a-z2-7]{53}\/9$/);
    assert.ok(await survey.getByText("You chose 9 of 10.").isVisible());
    await close(page);
  });

  test("nothing in a mail runs, sends or reaches the page around it", async () => {
    const mail = [
      "To: sara@example.com",
      "Subject: <img src=x onerror=parent.document.title='owned'>",
      "Date: Fri, 20 Nov 2026 08:30:05 +0000",
      "Content-Type: text/html; charset=utf-8",
      "",
      "<head></head><h1>planted</h1><script>document.title='owned'; parent.document.title='owned'; fetch('/healthz?owned')</script>",
      "<img src='data:,' onerror=\"parent.document.title='owned'\"><link rel=stylesheet href='/healthz?style'><iframe src='/healthz?frame'></iframe>",
      "<form action='/healthz?form'><button>send</button></form><object data='/healthz?object'></object>",
    ];
    mkdirSync(join(server.folder, "mail"), { recursive: true });
    writeFileSync(join(server.folder, "mail", "zz-planted.eml"), mail.join("\r\n"));
    const proxy = await witness(server);
    for (const path of ["/dev/mailbox/zz-planted.eml", "/dev/mailbox/zz-planted.eml/html"]) {
      const page = await open(browser, proxy.through(server.url + path));
      const inside = path.endsWith("/html") ? page : page.frameLocator("iframe");
      assert.ok(await inside.getByRole("heading", { name: "planted" }).isVisible());
      await inside.getByRole("button", { name: "send" }).click();
      await page.waitForTimeout(300);
      assert.notEqual(await page.title(), "owned");
      await close(page);
    }
    await proxy.stop();
    assert.ok(proxy.seen.includes("GET /dev/mailbox/zz-planted.eml/html"));
    // The icon is the browser's own wish.
    assert.deepEqual(proxy.seen.filter((what) => !what.startsWith("GET /dev/mailbox/") && what !== "GET /favicon.ico"), []);
  });
});
