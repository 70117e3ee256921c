// Usage: node audit.mjs URL
//
// Runs every GraphQL-over-HTTP audit of graphql-http against the GraphQL endpoint at URL. A recommendation that is
// not followed counts as a failure, and so does a number of audits other than the one we know of: a package that
// audits less must not pass for a server that conforms.

import { serverAudits } from 'graphql-http';

const KNOWN_AUDITS = 61;

/** A fault of the set-up rather than of the server's answers: one line, no stack. */
class SetupError extends Error {}

function readUrl() {
  const [url] = process.argv.slice(2);
  if (!url || !URL.canParse(url)) {
    throw new SetupError('Usage: node audit.mjs URL, for example http://127.0.0.1:8000/graphql');
  }
  return url;
}

/** fetch says only "fetch failed"; why is in the cause, and below that for a name with several addresses. */
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
    // The package lets everything that is not its own assertion through, such as a connection cut short.
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
    console.log(`graphql-http holds ${audits.length} audits, expected ${KNOWN_AUDITS}`);
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
