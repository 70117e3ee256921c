// Usage: node graphiql.mjs BASE_URL SCREENSHOT.png
//
// Uses GraphiQL at BASE_URL/graphql as a new user would, in a real browser that can reach no other
// server. The user registers, reads the account, signs in, types the access token into the header
// editor, reads the account again, and waits for the end of the session. The account of the
// prepared tabs must not exist yet on the server.
//
// The browser is Chromium, at the path in CHROMIUM or where the system installs it.

import { Failure, firstLine, launch, report } from './browser.mjs';

const EMAIL = 'john.doe@example.com';
const PLACEHOLDER = 'paste-the-accessToken-here';
const TAB_NAMES = ['register', 'login', 'me', 'refreshToken', 'logout', 'sessionEnded'];
const VIEWPORT = { width: 1280, height: 800 };
const TIMEOUT_MS = 20_000;

function readArguments() {
  const [base, screenshot] = process.argv.slice(2);
  if (!base || !URL.canParse(base) || !screenshot) {
    throw new Failure('Usage: node graphiql.mjs BASE_URL SCREENSHOT.png, such as http://127.0.0.1:8000 graphiql.png');
  }
  return { base: new URL(base), screenshot };
}

/** Collects everything that must not happen, from the first request on. */
function watch(page, base) {
  const seen = { requests: 0, problems: [] };
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol === 'data:' || url.protocol === 'blob:') return;
    seen.requests += 1;
    if (url.origin !== base.origin) seen.problems.push(`a request left the origin: ${url.href}`);
  });
  // Violations of the Content-Security-Policy are reported here as well.
  page.on('console', (message) => {
    if (message.type() === 'error') seen.problems.push(`a console error: ${message.text()}`);
  });
  page.on('pageerror', (error) => seen.problems.push(`an uncaught error: ${error.message}`));
  return seen;
}

/** The page, as a user sees and controls it. */
class Visit {
  constructor(page) {
    this.page = page;
    this.result = page.locator('.graphiql-response .CodeMirror-code');
    this.headers = page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror');
  }

  async open(url) {
    let response;
    try {
      response = await this.page.goto(url);
    } catch (error) {
      throw new Failure(`No server answers at ${url}: ${firstLine(error)}.`);
    }
    if (response.status() !== 200) throw new Failure(`${url} answered ${response.status()} instead of a page.`);
    await this.waitUntilReady();
  }

  async waitUntilReady() {
    await this.page.locator('.graphiql-container').waitFor();
    const names = await this.page.getByRole('tab').allInnerTexts();
    const [found, expected] = [names.join(), TAB_NAMES.join()];
    if (found !== expected) throw new Failure(`The tabs are ${found} instead of ${expected}.`);
  }

  async goToTab(name) {
    await this.page.getByRole('tab', { name, exact: true }).click();
    await this.waitForOperation(name);
  }

  /**
   * GraphiQL updates the operation name shortly after it shows a tab. Until then it runs the previous
   * operation.
   */
  async waitForOperation(name) {
    await this.page.waitForFunction(
      (expected) => document.querySelector('.graphiql-query-editor .CodeMirror')?.CodeMirror.operationName === expected,
      name,
    );
  }

  /** Runs the tab's operation and returns its request. */
  async run(name) {
    await this.waitForOperation(name);
    const [request] = await Promise.all([
      this.page.waitForRequest((sent) => sent.postDataJSON()?.operationName === name),
      this.page.getByRole('button', { name: /^Execute query/ }).click(),
    ]);
    return request;
  }

  /** Waits until the result on screen matches, and returns the match. */
  async readResult(pattern) {
    const handle = await this.page
      .waitForFunction(
        ({ source, selector }) => document.querySelector(selector)?.innerText.match(new RegExp(source)),
        { source: pattern.source, selector: '.graphiql-response .CodeMirror-code' },
      )
      .catch(async () => {
        throw new Failure(`The result does not show ${pattern} but: ${await this.excerpt()}`);
      });
    return handle.jsonValue();
  }

  async excerpt() {
    const shown = await this.result.innerText();
    return shown.replace(/\s+/g, ' ').slice(0, 300);
  }

  /** The access token in the result of `register` or `login`. */
  async readAccessToken() {
    const [, token] = await this.readResult(/"accessToken": "([^"]+)"|"code": "[^"]+"/);
    if (token) return token;
    throw new Failure(`No access token (does the server have an empty database?) but: ${await this.excerpt()}`);
  }

  async readEmail() {
    await this.readResult(new RegExp(`"email": "${EMAIL.replaceAll('.', '\\.')}"`));
  }

  async showHeaders() {
    await this.page.getByRole('button', { name: 'Headers', exact: true }).click();
    await this.page.locator('section[aria-label="Headers"]').waitFor();
    const text = await this.readHeaders();
    if (!text.includes(PLACEHOLDER)) throw new Failure(`The header editor holds no placeholder but: ${text}`);
  }

  async readHeaders() {
    return this.headers.evaluate((editor) => editor.CodeMirror.getValue());
  }

  /** Replaces the text key by key, because the editor inserts closing quotes and braces itself. */
  async typeHeaders(text) {
    await this.headers.click();
    await this.page.keyboard.press('ControlOrMeta+a');
    await this.page.keyboard.type(text);
    const typed = await this.readHeaders();
    if (typed !== text) throw new Failure(`The header editor holds ${typed} after typing ${text}`);
  }

  async saveScreenshot(path) {
    // Shows the start of the header, not the last characters of the token.
    await this.page.keyboard.press('ControlOrMeta+Home');
    // Moves the mouse off the button, whose tooltip would cover the editor.
    await this.page.mouse.move(VIEWPORT.width / 2, VIEWPORT.height - 1);
    await this.page.getByRole('tooltip').waitFor({ state: 'detached' });
    await this.page.screenshot({ path });
  }
}

async function checkBearer(request, token, what) {
  const sent = await request.headerValue('authorization');
  if (sent !== `Bearer ${token}`) throw new Failure(`${what} was sent with the header "${sent}".`);
}

async function visitAsNewUser(page, base, screenshot) {
  const visit = new Visit(page);
  await visit.open(new URL('/graphql', base).href);

  await visit.run('register');
  const registered = await visit.readAccessToken();

  // The unchanged placeholder stands for the newest token.
  await visit.goToTab('me');
  await checkBearer(await visit.run('me'), registered, 'The untouched "me" tab after register');
  await visit.readEmail();

  await visit.goToTab('login');
  await visit.run('login');
  const token = await visit.readAccessToken();
  if (token === registered) throw new Failure('login returned the same access token as register.');

  await visit.goToTab('me');
  await visit.showHeaders();
  await visit.typeHeaders(JSON.stringify({ Authorization: `Bearer ${token}` }));
  await checkBearer(await visit.run('me'), token, 'The "me" tab with the token typed in');
  await visit.readEmail();
  await visit.headers.click();
  await visit.saveScreenshot(screenshot);

  await checkSubscription(visit, base, token);

  // Runs it again: only now has GraphiQL certainly noticed the new header, and would store it.
  await visit.run('me');
  await visit.readResult(/"reason": "revoked"/);
  await checkReturn(visit, [registered, token]);
}

/** Ends the session elsewhere. The page must show it. */
async function checkSubscription(visit, base, token) {
  await visit.goToTab('sessionEnded');
  const socket = visit.page.waitForEvent('websocket');
  await visit.page.getByRole('button', { name: /^Execute query/ }).click();
  await socket;
  const headers = { authorization: `Bearer ${token}` };
  const logout = await fetch(new URL('/auth/logout', base), { method: 'POST', headers });
  if (logout.status !== 204) throw new Failure(`The logout elsewhere was answered with ${logout.status}.`);
  await visit.readResult(/"reason": "LOGOUT"/);
  await visit.goToTab('me');
}

/** After a reload the tabs and the placeholder are there, and no token. */
async function checkReturn(visit, tokens) {
  // GraphiQL stores its state a moment after the last change.
  await visit.page.waitForFunction(
    (index) =>
      localStorage.getItem('graphiql:query')?.includes('query me') &&
      JSON.parse(localStorage.getItem('graphiql:tabState'))?.activeTabIndex === index,
    TAB_NAMES.indexOf('me'),
  );
  await visit.page.reload();
  await visit.waitUntilReady();
  await visit.waitForOperation('me');
  if (!(await visit.readHeaders()).includes(PLACEHOLDER)) throw new Failure('The placeholder is gone after a reload.');
  const stored = await visit.page.evaluate(() => Object.entries(localStorage));
  const leak = stored.find(([, value]) => tokens.some((token) => value.includes(token)));
  if (leak) throw new Failure(`An access token was written to the storage of the browser, under ${leak[0]}.`);
}

async function main() {
  const { base, screenshot } = readArguments();
  const browser = await launch(base.hostname);
  try {
    const page = await browser.newPage({ viewport: VIEWPORT });
    page.setDefaultTimeout(TIMEOUT_MS);
    const seen = watch(page, base);
    const failure = await visitAsNewUser(page, base, screenshot).catch((error) => error);
    // A problem that the browser reported usually explains the failure.
    if (seen.problems.length > 0) throw new Failure(`GraphiQL caused ${seen.problems.join('; ')}`);
    if (failure instanceof Failure) throw failure;
    if (failure) throw new Failure(`The visit did not finish: ${firstLine(failure)}`);
    console.log(`GraphiQL: registered, signed in, read ${EMAIL}; ${seen.requests} requests, all to the origin`);
  } finally {
    await browser.close();
  }
}

await report(main);
