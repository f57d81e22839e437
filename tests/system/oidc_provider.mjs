// A certified OpenID Connect provider for the tests (npm oidc-provider), over TLS on loopback.
//
//   node oidc_provider.mjs PACKAGES PORT CERTIFICATE KEY CONFIGURATION
//
// CONFIGURATION is JSON: clients, keys and methods (of their authentication) as oidc-provider takes them, and accounts by their login: {"appr1": {claims}}.
// Whoever types a login at its form is that account.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [packages, port, certificate, key, path] = process.argv.slice(2);
const { default: Provider } = await import(
  pathToFileURL(createRequire(`${packages}/package.json`).resolve('oidc-provider')));
const { clients, keys, methods, accounts } = JSON.parse(readFileSync(path, 'utf8'));
const issuer = `https://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients,
  jwks: { keys },
  cookies: { keys: ['a key for the tests'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'PS256', 'HS256'] },
  clientAuthMethods: methods,
  pkce: { required: () => true },
  async findAccount(ctx, login) {
    return { accountId: login, claims: async () => ({ sub: login, ...accounts[login] }) };
  },
});
createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, provider.callback())
  .listen(Number(port), '127.0.0.1');
