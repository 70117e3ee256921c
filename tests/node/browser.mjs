// Starts a real browser that can reach only the hosts under test.
//
// The browser is Chromium, at the path in CHROMIUM or where the system installs it.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

/** A failed check or an error of the set-up: one line without a stack trace. */
export class Failure extends Error {}

function findBrowser() {
  const chosen = process.env.CHROMIUM;
  const found = (chosen ? [chosen] : BROWSERS).find((path) => existsSync(path));
  if (!found) {
    throw new Failure(
      chosen
        ? `No Chromium at ${chosen}, the path in CHROMIUM.`
        : `No Chromium at ${BROWSERS.join(' or ')}: install it, or put its path into CHROMIUM.`,
    );
  }
  return found;
}

export async function launch(...hosts) {
  const executablePath = findBrowser();
  const excluded = hosts.map((host) => `, EXCLUDE ${host}`).join('');
  try {
    return await chromium.launch({
      executablePath,
      args: [
        // The sandbox needs privileges that containers lack, and only our own pages are visited.
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // No other host resolves, as on an isolated network. Requests to other hosts fail even if
        // the page's policy allows them.
        `--host-resolver-rules=MAP * ~NOTFOUND${excluded}`,
      ],
    });
  } catch (error) {
    throw new Failure(`Chromium at ${executablePath} did not start: ${firstLine(error)}.`);
  }
}

export function firstLine(error) {
  return error.message.split('\n')[0];
}

/** Runs a check. A failure sets the exit code and prints one line on standard error. */
export async function report(check) {
  try {
    await check();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
