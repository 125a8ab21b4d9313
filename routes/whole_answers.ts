/** HEAD, answered as GET: what `head_answer.ts` cuts. Apart from it, since only the API needs Hono. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { NotFoundHandler } from "hono";

/** What `app` would answer to GET, body included: its own answer to HEAD does not tell how long the body would be. */
export function wholeAnswers(
  app: OpenAPIHono,
  notFound: NotFoundHandler,
): (request: Request) => Promise<Response> {
  const answers = new WeakMap<Request, Response>();
  const outer = new OpenAPIHono();
  outer.use("*", async (context, next) => {
    await next();
    answers.set(context.req.raw, context.res);
  });
  outer.route("/", app);
  outer.notFound(notFound);
  return async (request) => {
    const cut = await outer.fetch(request);
    return answers.get(request) ?? cut;
  };
}
