// Usage: node cookies.mjs GATEWAY FRIEND STRANGER NEIGHBOUR
//
// Signs in by cookie in a real browser, on a page of the GATEWAY's own origin, and then tries the same from pages of
// other origins: FRIEND, which CORS_ORIGINS names, STRANGER, which is the same site but not named, and NEIGHBOUR, which
// is another site. Each is the origin of a server with an empty page. The account of the documentation must not exist
// yet.

import { Failure, firstLine, launch, report } from './browser.mjs';

const COOKIE = 'auth_gateway_refresh';
const JOHN = { email: 'john.doe@example.com', password: 'Password@123', username: 'johndoe', mode: 'cookie' };
const LOGIN = 'mutation { login(input: {username: "johndoe", password: "Password@123"}, mode: COOKIE) { token { refreshToken } } }';

function expect(found, expected, what) {
  const [have, want] = [JSON.stringify(found), JSON.stringify(expected)];
  if (have !== want) throw new Failure(`${what}: ${have} instead of ${want}`);
}

/** Asks from inside the page, as its own script would. */
async function ask(page, url, body) {
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

/** The token in the browser's jar, which no page can see. */
async function stored(page) {
  const found = (await page.context().cookies()).filter((cookie) => cookie.name === COOKIE);
  expect(found.length, 1, 'cookies of the name');
  const [{ httpOnly, sameSite, path, secure, value }] = found;
  expect({ httpOnly, sameSite, path, secure }, { httpOnly: true, sameSite: 'Strict', path: '/', secure: false }, 'the cookie');
  return value;
}

async function renewed(page, gateway, what) {
  const before = await stored(page);
  const answer = await ask(page, `${gateway}/auth/refresh`);
  expect([answer.status, answer.body?.token?.refresh_token, answer.cookies], [200, null, ''], `a refresh ${what}`);
  const after = await stored(page);
  if (after === before) throw new Failure(`a refresh ${what} left the cookie as it was`);
}

async function atHome(page, gateway) {
  await page.goto(`${gateway}/graphql`);
  const registered = await ask(page, `${gateway}/auth/register`, JOHN);
  expect([registered.status, registered.body.token.refresh_token, registered.cookies], [201, null, ''], 'a registration');
  await renewed(page, gateway, 'on the own page');
  const login = await ask(page, `${gateway}/graphql`, { query: LOGIN });
  expect([login.body.data, login.cookies], [{ login: { token: { refreshToken: null } } }, ''], 'a login by GraphQL');
  await renewed(page, gateway, 'after that');
}

/** A page that is not named can read nothing, and what it sends blindly changes nothing. */
async function abroad(page, gateway, origin, expectedStatus) {
  await page.goto(origin);
  const before = await stored(page);
  for (const path of ['/auth/refresh', '/auth/logout']) {
    expect(await ask(page, gateway + path), { blocked: 'TypeError' }, `${path} from ${origin}`);
    await page.evaluate(
      // Needs no leave, and gets no answer: what it could do is done at the gateway.
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
  expect(await ask(page, `${gateway}/auth/login`, JOHN), { blocked: 'TypeError' }, `a login from ${origin}`);
  expect(await stored(page), before, `the cookie after a visit to ${origin}`);
}

async function main() {
  const origins = process.argv.slice(2);
  if (origins.length !== 4 || !origins.every((origin) => URL.canParse(origin))) {
    throw new Failure('Usage: node cookies.mjs GATEWAY FRIEND STRANGER NEIGHBOUR, each an origin such as http://localhost:8000');
  }
  const [gateway, friend, stranger, neighbour] = origins;
  const browser = await launch('localhost', '127.0.0.1');
  try {
    const page = await browser.newPage();
    await atHome(page, gateway);
    await page.goto(friend);
    await renewed(page, gateway, 'on a page of CORS_ORIGINS');
    await abroad(page, gateway, stranger, { '/auth/refresh': 403, '/auth/logout': 403 });
    // No cookie comes along from another site.
    await abroad(page, gateway, neighbour, { '/auth/refresh': 400, '/auth/logout': 401 });
    await page.goto(friend);
    await renewed(page, gateway, 'after all that');
    expect((await ask(page, `${gateway}/auth/logout`)).status, 204, 'a logout');
    expect((await page.context().cookies()).length, 0, 'cookies after a logout');
    console.log('cookies: pages of two origins signed in, renewed and signed out; pages of two others got nowhere');
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(`The visit did not get on: ${firstLine(error)}`);
  } finally {
    await browser.close();
  }
}

await report(main);
