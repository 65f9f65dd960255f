import type { ZuploContext, ZuploRequest } from "@zuplo/runtime";

/** The limits of each plan that the portal writes into the consumer's metadata (PLANS=portal). */
const PLANS: Record<string, { perMinute: number; perMonth: number }> = {
  free: { perMinute: 10, perMonth: 1_000 },
  pro: { perMinute: 100, perMonth: 50_000 },
  business: { perMinute: 1_000, perMonth: 500_000 },
};

/** A consumer without a plan, or with one that is not listed above, gets the least: never no limit at all. */
function limits(request: ZuploRequest) {
  const plan = request.user?.data?.plan;
  return PLANS[typeof plan === "string" && Object.hasOwn(PLANS, plan) ? plan : "free"];
}

export function callsAMinute(request: ZuploRequest, _context: ZuploContext) {
  return {
    key: request.user.sub,
    requestsAllowed: limits(request).perMinute,
    timeWindowMinutes: 1,
  };
}

export function callsAMonth(request: ZuploRequest, _context: ZuploContext) {
  return {
    key: request.user.sub,
    allowances: { requests: limits(request).perMonth },
  };
}
