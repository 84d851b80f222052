// A certified OpenID Connect provider for the tests: node idp.mjs [port]. Says `{"issuer": …}` when it listens, and ends
// when its input does.
//
// Everybody signs in with their name and any password. Tests change it with POST /test/…: `people` (claims of somebody),
// `clients`, `rotate` (another signing key), `acr` (what the next sign-ins are worth), `down` (answers nothing but 503).
import { createServer } from 'node:http';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { generateKeyPairSync, randomUUID } from 'node:crypto';

// Installed into the cache folder, not beside this file.
const require = createRequire(`${process.env.WEIGHBRIDGE_TEST_NODE}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const server = createServer();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const people = { alice: { groups: ['ml-approvers', 'staff'] }, bob: { groups: ['staff'] }, mallory: { groups: [] } };
let clients = [];
let acr;
let down = false;

const key = (kind) => {
  const { privateKey } = kind === 'EC' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: kind === 'EC' ? 'ES256' : 'RS256' };
};
let keys = [key('RSA')];

function provider() {
  const p = new Provider(issuer, {
    clients,
    jwks: { keys },
    findAccount: (_, id) => people[id] && {
      accountId: id,
      claims: () => ({ sub: id, name: id, preferred_username: id, email: `${id}@test.local`, email_verified: true, ...people[id] }),
    },
    scopes: ['openid', 'offline_access', 'email', 'profile', 'groups'],
    claims: {
      openid: ['sub', 'sid', 'auth_time', 'acr', 'amr'], email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username'], groups: ['groups', '_claim_names', '_claim_sources', 'hasgroups'],
    },
    acrValues: ['urn:test:mfa', 'urn:test:password'],
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
    features: {
      deviceFlow: { enabled: true }, devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true },
      backchannelLogout: { enabled: true },
    },
    interactions: { url: (_, i) => `/interaction/${i.uid}` },
    cookies: { keys: ['for-tests-only'] },
    ttl: { AccessToken: 600, IdToken: 600, Interaction: 600, Session: 3600, Grant: 3600, DeviceCode: 600, AuthorizationCode: 60 },
    renderError: (ctx, out, error) => { ctx.type = 'text'; ctx.body = `${out.error}: ${out.error_description}\n${error.stack}`; },
  });
  p.use(interaction(p));
  p.on('server_error', (_, error) => console.error(error));
  return p;
}

// A form to sign in with; consent is given by itself.
const interaction = (p) => async (ctx, next) => {
  if (!/^\/interaction\/[^/]+$/.test(ctx.path)) return next();
  const { prompt, params, session, grantId } = await p.interactionDetails(ctx.req, ctx.res);
  const done = (result) => { ctx.respond = false; return p.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }); };
  if (prompt.name === 'consent') {
    const grant = (grantId && await p.Grant.find(grantId)) || new p.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
    if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
    return done({ consent: { grantId: await grant.save() } });
  }
  if (ctx.method === 'GET') {
    ctx.type = 'html';
    ctx.body = '<!doctype html><title>Test provider</title><form method="post"><input name="login" id="login"><input name="password" type="password"><button id="go">Sign in</button></form>';
    return undefined;
  }
  const login = new URLSearchParams(await body(ctx.req)).get('login');
  if (!people[login]) { ctx.status = 401; ctx.body = 'unknown'; return undefined; }
  return done({ login: { accountId: login, ...(acr && { acr, amr: ['pwd', 'otp'] }) } });
};

const body = async (request) => { let text = ''; for await (const part of request) text += part; return text; };

let current = provider();
server.on('request', async (request, response) => {
  if (!request.url.startsWith('/test/')) {
    if (down) { response.statusCode = 503; return response.end('down'); }
    return current.callback()(request, response);
  }
  const said = JSON.parse(await body(request) || '{}');
  switch (request.url) {
    case '/test/people': Object.assign(people, said); break;
    case '/test/clients': clients = said; current = provider(); break;
    case '/test/rotate': keys = [key(said.kind ?? 'RSA')]; current = provider(); break;
    case '/test/acr': acr = said.acr; break;
    case '/test/down': down = said.down; break;
    default: response.statusCode = 404;
  }
  return response.end('{}');
});
process.stdin.on('end', () => process.exit(0)).resume();
console.log(JSON.stringify({ issuer }));
