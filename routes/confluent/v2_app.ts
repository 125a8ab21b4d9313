/** Confluent's REST API v2, at the root as its proxy has it: metadata, producing, consumers, and stateless reading. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import { Problem } from "../problem.ts";
import { confluentErrorResponse, type ErrorCodes } from "./confluent_error.ts";
import { contractRouter } from "./contract_router.ts";
import { consumerRoutes } from "./v2_consumers.ts";
import { V2_TYPE } from "./v2_formats.ts";
import { topicRoutes } from "./v2_topics.ts";

const codes: ErrorCodes = { unknownTopic: 40401, kafkaRefusal: 400 };

export const v2Routes = [...topicRoutes, ...consumerRoutes];

/** A failure in the contract's words. */
export function v2Failure(problem: Problem): Response {
  return confluentErrorResponse(problem, codes, V2_TYPE);
}

/** `toProblem` tells what a client may know of an error. */
export function v2App(broker: Broker, toProblem: (error: unknown) => Problem): OpenAPIHono {
  const app = new OpenAPIHono();
  const router = contractRouter(v2Routes);
  for (const path of ["/topics", "/topics/*", "/brokers", "/consumers/*", "/status/ready"]) {
    app.all(path, async ({ req }) => {
      try {
        if (!broker.ready) throw new Problem(503, { detail: "The broker is not ready" });
        return await router(broker, req.raw, "");
      } catch (error) {
        return v2Failure(toProblem(error));
      }
    });
  }
  return app;
}
