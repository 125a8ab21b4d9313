/** A client of an `HttpApp` in the same process. */
import { type HttpApp, httpApp } from "../../routes/app.ts";
import { FakeBroker } from "./fake_broker.ts";
import { plainForm } from "../plain_form.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // deno-lint-ignore no-explicit-any -- tests look into answers freely
  readonly body: any;
  readonly text: string;
}

export class HttpClient {
  readonly broker = new FakeBroker();
  readonly app: HttpApp = httpApp(this.broker, { version: "0.0.0-test" });

  async send(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    return await readAnswer(
      await this.app.fetch(await plainForm(`http://localhost${path}`, { ...init, method })),
    );
  }

  get(path: string): Promise<Answer> {
    return this.send("GET", path);
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.postText(path, JSON.stringify(body));
  }

  postText(path: string, body: BodyInit, contentType = "application/json"): Promise<Answer> {
    return this.send("POST", path, { body, headers: { "content-type": contentType } });
  }
}

export async function readAnswer(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const text = await response.text();
  const isJson = /json/.test(headers.get("content-type") ?? "");
  return { status, headers, text, body: isJson && text !== "" ? JSON.parse(text) : null };
}
