import type { ZuploContext, ZuploRequest } from "@zuplo/runtime";

/** Stands for your API. Behind urlForwardHandler, take the customer's key off first: it is handed on as it came. */
export function hello(request: ZuploRequest, _context: ZuploContext) {
  return { message: `Hello, ${request.user?.sub}!` };
}
