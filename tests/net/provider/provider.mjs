// An OpenID provider for tests: client credentials, tokens as JWT, keys from the environment; and
// browsers, which log in as anna without being asked.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const { PORT, KEYS, BACK, LIFE = '300' } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;
const { alg, kid } = JSON.parse(KEYS)[0];
const resource = 'urn:hilum';

const provider = new Provider(issuer, {
  jwks: { keys: JSON.parse(KEYS) },
  clients: ['basic', 'post'].map((way) => ({
    client_id: `gate-${way}`,
    client_secret: 'a secret of: the/gate & more%',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: alg,
    token_endpoint_auth_method: `client_secret_${way}`,
  })).concat(BACK ? [{
    client_id: 'browsers',
    redirect_uris: [BACK],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    id_token_signed_response_alg: alg,
    token_endpoint_auth_method: 'none',
  }] : []),
  pkce: { required: () => true },
  scopes: ['openid', 'hilum:query', 'hilum:store:ARCHIVE', 'archive.read'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context, indicator) => ({
        audience: indicator,
        scope: 'hilum:query hilum:store:ARCHIVE archive.read',
        accessTokenFormat: 'jwt',
        accessTokenTTL: Number(LIFE),
        jwt: { sign: { alg, kid } },
      }),
    },
  },
});
provider.on('server_error', (_context, error) => console.error(error));
const answer = provider.callback();
http.createServer(async (request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    answer(request, response);
    return;
  }
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const result = { login: { accountId: 'anna' } };
  if (prompt.name === 'consent') {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope('openid hilum:query');
    grant.addResourceScope(resource, 'hilum:query');
    result.consent = { grantId: await grant.save() };
    delete result.login;
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}).listen(Number(PORT), '127.0.0.1', () => console.log(`ready: ${issuer}`));
