// Usage: node verifier.mjs JWKS_URL ISSUER AUDIENCE
//
// A service that verifies access tokens itself, with jose and its default settings. jose caches the
// JWKS and fetches it again when the copy is old or a key is missing, at most every 30 seconds. The
// program reads one token per line and answers each with one line: "ok" or the reason of the
// failure.

import { createInterface } from 'node:readline';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [url, issuer, audience] = process.argv.slice(2);
if (!url || !issuer || !audience) {
  console.error('Usage: node verifier.mjs JWKS_URL ISSUER AUDIENCE');
  process.exit(2);
}

const keys = createRemoteJWKSet(new URL(url));

async function verify(token) {
  try {
    await jwtVerify(token, keys, { algorithms: ['EdDSA'], issuer, audience, typ: 'at+jwt' });
    return 'ok';
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`.replaceAll('\n', ' ');
  }
}

for await (const token of createInterface({ input: process.stdin })) {
  console.log(await verify(token));
}
