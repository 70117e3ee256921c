// A real browser that reaches the hosts under test and nothing else.
//
// The browser is Chromium, at the path in CHROMIUM or where the system installs it.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

/** Something a visit found, or a fault of the set-up: one line, no stack. */
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
        // Its sandbox needs privileges that containers lack, and the only pages visited are our own.
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // The network of an air-gapped office: a request to anywhere else fails even if the page's policy let it out.
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

/** Runs a visit; what it found is one line on standard error, and the exit code. */
export async function report(visit) {
  try {
    await visit();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
