// Usage: node verify.mjs JWKS TOKEN
//
// Verifies TOKEN with Web Crypto and the JSON of the key set alone. Checks that the id of the key
// is its thumbprint (RFC 7638). Prints the claims.

const { subtle } = globalThis.crypto;

const ALGORITHMS = {
  EdDSA: { parameters: { name: 'Ed25519' }, members: ['crv', 'kty', 'x'] },
  ES256: { parameters: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }, members: ['crv', 'kty', 'x', 'y'] },
  RS256: { parameters: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, members: ['e', 'kty', 'n'] },
};

const bytes = (text) => Buffer.from(text, 'base64url');
const json = (text) => JSON.parse(bytes(text).toString());

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

const [jwks, token] = process.argv.slice(2);
const [header, claims, signature] = token.split('.');
const { alg, kid } = json(header);
const key = JSON.parse(jwks).keys.find((key) => key.kid === kid);
if (!key) fail('The key set does not hold the key of the token.');
if (key.alg !== alg || key.use !== 'sig') fail(`The key is for ${key.use} by ${key.alg}, the token says ${alg}.`);

const { parameters, members } = ALGORITHMS[alg];
const shown = [...members, 'alg', 'kid', 'use'].sort();
if (Object.keys(key).sort().join() !== shown.join()) fail(`The key shows other members than ${shown}.`);
const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, key[name]])));
const thumbprint = Buffer.from(await subtle.digest('SHA-256', Buffer.from(canonical))).toString('base64url');
if (thumbprint !== kid) fail(`The thumbprint of the key is ${thumbprint}, not ${kid}.`);

const imported = await subtle.importKey('jwk', key, parameters, false, ['verify']);
const message = Buffer.from(`${header}.${claims}`);
if (!(await subtle.verify(parameters, imported, bytes(signature), message))) fail('The signature is wrong.');
console.log(JSON.stringify(json(claims)));
