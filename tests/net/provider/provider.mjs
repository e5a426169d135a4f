// An OpenID provider for tests: client credentials, tokens as JWT, keys from the environment.
import { Provider } from 'oidc-provider';

const { PORT, KEYS, LIFE = '300' } = process.env;
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
  })),
  scopes: ['hilum:query', 'hilum:store:ARCHIVE', 'archive.read'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
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
provider.listen(Number(PORT), '127.0.0.1', () => console.log(`ready: ${issuer}`));
