// Usage: node cookies.mjs GATEWAY ALLOWED SAME_SITE CROSS_SITE
//
// Signs in by cookie in a real browser, on a page of the GATEWAY's own origin. Then tries the same
// from pages of three other origins: ALLOWED is listed in CORS_ORIGINS, SAME_SITE is the same site
// but not listed, and CROSS_SITE is another site. Each argument is the origin of a server with an
// empty page. The account of the documentation must not exist yet.

import { Failure, firstLine, launch, report } from './browser.mjs';

const COOKIE = 'auth_gateway_refresh';
const JOHN = { email: 'john.doe@example.com', password: 'Password@123', username: 'johndoe', mode: 'cookie' };
const LOGIN = 'mutation { login(input: {username: "johndoe", password: "Password@123"}, mode: COOKIE) { token { refreshToken } } }';

function expect(found, expected, what) {
  const [have, want] = [JSON.stringify(found), JSON.stringify(expected)];
  if (have !== want) throw new Failure(`${what}: ${have} instead of ${want}`);
}

/** Sends a request from inside the page, as its own script would. */
async function request(page, url, body) {
  return page.evaluate(
    async ([address, sent]) => {
      const headers = sent ? { 'Content-Type': 'application/json' } : {};
      const options = { method: 'POST', credentials: 'include', headers, body: sent && JSON.stringify(sent) };
      try {
        const response = await fetch(address, options);
        const text = await response.text();
        return { status: response.status, body: text ? JSON.parse(text) : null, cookies: document.cookie };
      } catch (error) {
        return { blocked: error.name };
      }
    },
    [url, body ?? null],
  );
}

/** The token in the browser's cookie store, which no page can read. */
async function storedToken(page) {
  const found = (await page.context().cookies()).filter((cookie) => cookie.name === COOKIE);
  expect(found.length, 1, 'cookies of the name');
  const [{ httpOnly, sameSite, path, secure, value }] = found;
  expect({ httpOnly, sameSite, path, secure }, { httpOnly: true, sameSite: 'Strict', path: '/', secure: false }, 'the cookie');
  return value;
}

async function checkRefresh(page, gateway, what) {
  const before = await storedToken(page);
  const answer = await request(page, `${gateway}/auth/refresh`);
  expect([answer.status, answer.body?.token?.refresh_token, answer.cookies], [200, null, ''], `a refresh ${what}`);
  const after = await storedToken(page);
  if (after === before) throw new Failure(`a refresh ${what} left the cookie as it was`);
}

async function checkOwnOrigin(page, gateway) {
  await page.goto(`${gateway}/graphql`);
  const registered = await request(page, `${gateway}/auth/register`, JOHN);
  expect([registered.status, registered.body.token.refresh_token, registered.cookies], [201, null, ''], 'a registration');
  await checkRefresh(page, gateway, 'on the own page');
  const login = await request(page, `${gateway}/graphql`, { query: LOGIN });
  expect([login.body.data, login.cookies], [{ login: { token: { refreshToken: null } } }, ''], 'a login by GraphQL');
  await checkRefresh(page, gateway, 'after that');
}

/** A page of an origin that is not listed can read no answers, and its requests change nothing. */
async function checkForeignOrigin(page, gateway, origin, expectedStatus) {
  await page.goto(origin);
  const before = await storedToken(page);
  for (const path of ['/auth/refresh', '/auth/logout']) {
    expect(await request(page, gateway + path), { blocked: 'TypeError' }, `${path} from ${origin}`);
    await page.evaluate(
      // A "no-cors" request needs no permission and returns no answer, but the gateway receives it.
      (address) => fetch(address, { method: 'POST', credentials: 'include', mode: 'no-cors' }).catch(() => null) && null,
      gateway + path,
    );
    const [posted] = await Promise.all([
      page.waitForNavigation({ url: gateway + path }),
      page.evaluate((address) => {
        const form = Object.assign(document.createElement('form'), { action: address, method: 'post', enctype: 'text/plain' });
        document.body.append(form);
        form.submit();
      }, gateway + path),
    ]);
    expect(posted.status(), expectedStatus[path], `${path} from ${origin}, by a form`);
    await page.goto(origin);
  }
  expect(await request(page, `${gateway}/auth/login`, JOHN), { blocked: 'TypeError' }, `a login from ${origin}`);
  expect(await storedToken(page), before, `the cookie after a visit to ${origin}`);
}

async function main() {
  const origins = process.argv.slice(2);
  if (origins.length !== 4 || !origins.every((origin) => URL.canParse(origin))) {
    throw new Failure('Usage: node cookies.mjs GATEWAY ALLOWED SAME_SITE CROSS_SITE, each an origin such as http://localhost:8000');
  }
  const [gateway, allowed, sameSite, crossSite] = origins;
  const browser = await launch('localhost', '127.0.0.1');
  try {
    const page = await browser.newPage();
    await checkOwnOrigin(page, gateway);
    await page.goto(allowed);
    await checkRefresh(page, gateway, 'on a page of CORS_ORIGINS');
    await checkForeignOrigin(page, gateway, sameSite, { '/auth/refresh': 403, '/auth/logout': 403 });
    // Browsers send no SameSite=Strict cookie from another site.
    await checkForeignOrigin(page, gateway, crossSite, { '/auth/refresh': 400, '/auth/logout': 401 });
    await page.goto(allowed);
    await checkRefresh(page, gateway, 'after the attacks');
    expect((await request(page, `${gateway}/auth/logout`)).status, 204, 'a logout');
    expect((await page.context().cookies()).length, 0, 'cookies after a logout');
    console.log('cookies: pages of two origins signed in, checkRefresh and signed out; pages of two others got nowhere');
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(`The check did not finish: ${firstLine(error)}`);
  } finally {
    await browser.close();
  }
}

await report(main);
