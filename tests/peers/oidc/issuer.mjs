// An issuer of tokens on HTTPS: oidc-provider, with one client that gets access tokens for itself.
//
// Arguments: certificate chain, its key, audience, client, the client's secret. The first line it
// prints is the issuer's URL. A token for the resource https://ec.test is signed with ES256, every
// other one with RS256.
//
// Each line it reads is an order, which it answers with `order: answer` when it is done, between what
// the provider has to say: `publish` makes a key for RS256 that signs nothing yet, `sign` lets the
// newest key sign, `withdraw` keeps that one alone, and `fetches` says how often the keys were asked for.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';

import Provider from 'oidc-provider';

const [chain, key, audience, client, secret] = process.argv.slice(2);

const jwk = (pair, kid, alg) => ({
  ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig',
});
const rsa = (kid) => jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }), kid, 'RS256');
const ec = jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'ec', 'ES256');
// Of several the first signs.
let signing = [rsa('rsa')];
let made = 0;
let fetches = 0;

const resourceServer = (_context, resource) => ({
  scope: 'read write',
  audience,
  accessTokenTTL: 600,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: resource === 'https://ec.test' ? 'ES256' : 'RS256' } },
});

const handler = (issuer) => new Provider(issuer, {
  clients: [{
    client_id: client,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
  },
  jwks: { keys: [...signing, ec] },
}).callback();

const orders = {
  publish: () => { made += 1; signing.push(rsa(`rsa-${made}`)); },
  sign: () => { signing.unshift(signing.pop()); },
  withdraw: () => { signing = signing.slice(0, 1); },
  fetches: () => fetches,
};

const server = createServer({ cert: readFileSync(chain), key: readFileSync(key) });
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  let handle = handler(issuer);
  server.on('request', (request, response) => {
    if (request.url === '/jwks') fetches += 1;
    handle(request, response);
  });
  createInterface({ input: process.stdin }).on('line', (order) => {
    const answer = orders[order]();
    if (order !== 'fetches') handle = handler(issuer);
    console.log(`${order}: ${answer ?? 'done'}`);
  });
  console.log(issuer);
});
