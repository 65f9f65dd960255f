// npm's oidc-provider as it comes, but for one client and one person:  node oidc_provider.mjs PORT CALLBACK METHOD
import Provider from "oidc-provider";

const [port, callback, method] = process.argv.slice(2);
const claims = { email: "ann@acme.test", email_verified: true };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "portal",
      client_secret: "a-secret-that-only-this-test-knows",
      redirect_uris: [callback],
      ...(method && { token_endpoint_auth_method: method }),
    },
  ],
  claims: { email: ["email", "email_verified"] },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...claims }) }),
});
provider.listen(Number(port), "127.0.0.1");
