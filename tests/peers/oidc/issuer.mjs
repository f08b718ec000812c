// An issuer of tokens on HTTPS: oidc-provider, with one client that gets access tokens for itself.
//
// Arguments: certificate chain, its key, audience, client, the client's secret. The first line it
// prints is the issuer's URL. A token for the resource https://ec.test is signed with ES256, every
// other one with RS256.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider from 'oidc-provider';

const [chain, key, audience, client, secret] = process.argv.slice(2);

const jwk = (pair, kid, alg) => ({
  ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig',
});
const keys = [
  jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }), 'rsa', 'RS256'),
  jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'ec', 'ES256'),
];

const resourceServer = (_context, resource) => ({
  scope: 'read write',
  audience,
  accessTokenTTL: 600,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: resource === 'https://ec.test' ? 'ES256' : 'RS256' } },
});

const server = createServer({ cert: readFileSync(chain), key: readFileSync(key) });
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
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
    jwks: { keys },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
