import { environment, type ZuploContext, type ZuploRequest } from "@zuplo/runtime";

/**
 * What a refusal means for whoever gets it, by words of its `detail`; the first that fits counts. `detail` itself
 * stays as it is: programs, and the portal's "Try it", tell refusals apart by it.
 */
const MEANINGS: [RegExp, string, string][] = [
  [/required ".*" entitlement/, "Your plan doesn't include this, or it's used up. Change your plan", "/plans/"],
  [/exceeded the allowed limit|Quota exceeded/, "Your plan's calls are used up. Change your plan", "/plans/"],
  [/Too Many Requests/, "Too many calls in a minute for your plan. Wait a moment, or change your plan", "/plans/"],
  [/payment/i, "A payment is missing. Check your plan", "/plans/"],
  [/meter|entitlement/i, "Your plan doesn't include this. Change your plan", "/plans/"],
  [/expired subscription|does not have access to the API/, "This key has no active plan. Choose one", "/plans/"],
  [/key has expired|authorization/i, "This key doesn't work. Check your keys", "/keys/"],
];

/** Must come first: a policy that refuses skips what stands after it, but not the hooks of those before it. */
export function addLinkToRefusals(request: ZuploRequest, context: ZuploContext) {
  context.addResponseSendingHook(async (response) => {
    if (![401, 403, 429].includes(response.status)) {
      return response;
    }
    const problem = await response
      .clone()
      .json()
      .catch(() => ({}));
    const words = `${problem?.detail ?? problem?.title}`;
    const meaning = MEANINGS.find(([pattern]) => pattern.test(words));
    if (!meaning) {
      return response;
    }
    const link = `${environment.PORTAL_URL}${meaning[2]}`;
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    const body = JSON.stringify({ ...problem, help: `${meaning[1]}: ${link}`, link });
    return new Response(body, { status: response.status, headers });
  });
  return request;
}
