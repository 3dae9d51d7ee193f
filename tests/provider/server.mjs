// A certified OpenID provider (oidc-provider) with a few people and clients of a city.
//
// Given as JSON: the port, the private keys, and the address that people are sent back to.  Who signs in is
// said by the headers X-User and X-Amr of the browser's requests: a login page in one line.
import http from "node:http";
import Provider from "oidc-provider";

const { port, keys, redirects, audience } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const counts = {};

const people = {
  rosa: { email: "rosa@riverbend.example", email_verified: true, name: "Rosa Alvarez", groups: ["detectives"] },
  liar: { email: "rosa@riverbend.example", email_verified: false, name: "Not Rosa", groups: [] },
  newcomer: { email: "new@riverbend.example", email_verified: true, name: "New Comer", groups: ["officers", "other"] },
};

const provider = new Provider(issuer, {
  jwks: { keys },
  clients: [
    {
      client_id: "evidence-room",
      client_secret: "a secret of the city, for tests alone",
      token_endpoint_auth_method: "client_secret_post",
      redirect_uris: redirects,
      grant_types: ["authorization_code", "refresh_token"],
      require_auth_time: true,
      id_token_signed_response_alg: keys[0].alg,
    },
    {
      client_id: "case-system",
      client_secret: "another secret of the city, for tests alone",
      token_endpoint_auth_method: "client_secret_post",
      redirect_uris: [],
      response_types: [],
      grant_types: ["client_credentials"],
      id_token_signed_response_alg: keys[0].alg,
    },
  ],
  claims: {
    openid: ["sub", "amr"],
    email: ["email", "email_verified"],
    profile: ["name", "groups"],
  },
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: "", audience, accessTokenFormat: "jwt", accessTokenTTL: 1800, jwt: { sign: { alg: keys[0].alg } } }),
    },
  },
  rotateRefreshToken: true,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed("refresh_token"),
  findAccount: (_ctx, id) => {
    // Anybody else is a person with an address of their own.
    const person = people[id] ?? { email: `${id}@riverbend.example`, email_verified: true, name: id, groups: [] };
    return { accountId: id, claims: () => ({ sub: id, ...person }) };
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid profile email offline_access");
    await grant.save();
    return grant;
  },
  cookies: { keys: ["for tests alone"] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 86400, Session: 3600, Grant: 86400, Interaction: 600 },
});

const answer = provider.callback();
const server = http.createServer(async (request, response) => {
  const path = request.url.split("?")[0];
  counts[path] = (counts[path] ?? 0) + 1;
  if (path === "/counts") {
    response.end(JSON.stringify(counts));
  } else if (path === "/moved/.well-known/openid-configuration") {
    response.writeHead(302, { Location: `${issuer}/.well-known/openid-configuration` }).end();
  } else if (path.startsWith("/interaction/")) {
    const amr = (request.headers["x-amr"] ?? "pwd").split(" ");
    const login = { accountId: request.headers["x-user"], amr };
    await provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  } else {
    answer(request, response);
  }
});
server.listen(port, "127.0.0.1", () => console.log("ready"));
