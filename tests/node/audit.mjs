// Usage: node audit.mjs URL
//
// Runs every audit of graphql-http against the GraphQL endpoint at URL. An optional recommendation
// that is not followed counts as a failure. A different number of audits is a failure too: a
// package with fewer audits must not make the server pass.

import { serverAudits } from 'graphql-http';

const KNOWN_AUDITS = 61;

/** An error of the set-up, not of the server: one line without a stack trace. */
class SetupError extends Error {}

function readUrl() {
  const [url] = process.argv.slice(2);
  if (!url || !URL.canParse(url)) {
    throw new SetupError('Usage: node audit.mjs URL, for example http://127.0.0.1:8000/graphql');
  }
  return url;
}

/**
 * fetch only reports "fetch failed". The reason is in the cause, or in the errors of the cause if the
 * name has several addresses.
 */
function reasonOf(error) {
  const cause = error.cause?.errors?.[0] ?? error.cause ?? error;
  return cause.code ?? cause.message;
}

async function checkReachable(url) {
  try {
    await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"query":"{__typename}"}',
    });
  } catch (error) {
    throw new SetupError(`No server answers at ${url}: ${reasonOf(error)}.`);
  }
}

async function run(audit) {
  try {
    return await audit.fn();
  } catch (error) {
    // The package only catches its own assertions, not errors such as a closed connection.
    return { id: audit.id, name: audit.name, status: 'error', reason: reasonOf(error) };
  }
}

async function main() {
  const url = readUrl();
  await checkReachable(url);

  const audits = serverAudits({ url, fetchFn: fetch });
  let passed = 0;
  for (const audit of audits) {
    const { id, name, status, reason, response } = await run(audit);
    if (status === 'ok') {
      passed += 1;
    } else {
      const httpStatus = response ? ` (HTTP ${response.status})` : '';
      console.log(`${status.toUpperCase()} ${id} ${name}: ${reason}${httpStatus}`);
    }
  }
  if (audits.length !== KNOWN_AUDITS) {
    console.log(`graphql-http has ${audits.length} audits, expected ${KNOWN_AUDITS}`);
  }
  console.log(`${passed} of ${audits.length} audits passed`);
  return passed === audits.length && audits.length === KNOWN_AUDITS;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
