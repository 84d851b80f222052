// An issuer that says whatever a test wants it to say: node fake.mjs. Says `{"issuer": …}` when it listens, and ends when
// its input does. Uses nothing but Node itself.
//
// POST /test/mode sets what the next answers are: `claims` (over the good ones; null removes one), `header`, `sign` (good,
// none, hs, other, unknown), `answer` (over the authorization response; null removes one). POST /test/logout-token gives
// a logout token made the same way.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
const [ours, others] = [0, 1].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));
const kid = 'published';
let mode = {};
const codes = new Map();

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const over = (good, more = {}) => Object.fromEntries(Object.entries({ ...good, ...more }).filter(([, value]) => value !== null));

function token(good, wanted, typ) {
  const how = wanted.sign ?? 'good';
  const alg = { none: 'none', hs: 'HS256' }[how] ?? 'RS256';
  const header = over({ alg, typ, kid: how === 'unknown' ? 'not-published' : kid }, wanted.header);
  const text = `${part(header)}.${part(over(good, wanted.claims))}`;
  const pem = ours.publicKey.export({ type: 'spki', format: 'pem' });
  const signature = how === 'none' ? '' : how === 'hs' ? createHmac('sha256', pem).update(text).digest('base64url')
    : sign('sha256', Buffer.from(text), how === 'good' ? ours.privateKey : others.privateKey).toString('base64url');
  return `${text}.${signature}`;
}

const body = async (request) => { let text = ''; for await (const piece of request) text += piece; return text; };
const now = () => Math.floor(Date.now() / 1000);

server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  const json = (value, status = 200) => { response.writeHead(status, { 'content-type': 'application/json' }); response.end(JSON.stringify(value)); };
  switch (url.pathname) {
    case '/.well-known/openid-configuration':
      return json({
        issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`,
        response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'],
        authorization_response_iss_parameter_supported: true,
      });
    case '/jwks':
      return json({ keys: [{ ...ours.publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] });
    case '/authorize': {
      const asked = Object.fromEntries(url.searchParams);
      const code = randomUUID();
      codes.set(code, asked);
      const answer = over({ code, state: asked.state, iss: issuer }, mode.answer);
      response.writeHead(303, { location: `${asked.redirect_uri}?${new URLSearchParams(answer)}` });
      return response.end();
    }
    case '/token': {
      const form = new URLSearchParams(await body(request));
      const asked = codes.get(form.get('code'));
      codes.delete(form.get('code'));
      if (!asked) return json({ error: 'invalid_grant' }, 400);
      const good = { iss: issuer, sub: 'eve', aud: asked.client_id, exp: now() + 300, iat: now(), nonce: asked.nonce, auth_time: now(), groups: ['staff'] };
      const id_token = mode.token === null ? undefined : token(good, mode, 'JWT');
      return json({ access_token: 'canary-access-token', token_type: 'Bearer', expires_in: 300, id_token });
    }
    case '/test/mode': mode = JSON.parse(await body(request)); return json({});
    case '/test/logout-token': {
      const wanted = JSON.parse(await body(request));
      const good = { iss: issuer, sub: 'eve', aud: 'weighbridge', iat: now(), exp: now() + 120, jti: randomUUID(), events: { 'http://schemas.openid.net/event/backchannel-logout': {} } };
      return json({ token: token(good, wanted, 'logout+jwt') });
    }
    default: return json({}, 404);
  }
});
process.stdin.on('end', () => process.exit(0)).resume();
console.log(JSON.stringify({ issuer }));
