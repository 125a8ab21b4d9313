/** One client program as a child process: a JSON request a line in, a JSON answer a line out (programs/CONTRACT.md). */

import { TextLineStream } from "./text_line_stream.ts";

/** A record as the programs produce and read it: bytes are base64, `t` is milliseconds, `o` only in what was read. */
export interface ClientRecord {
  readonly p: number;
  readonly o?: number;
  readonly k: string | null;
  readonly v: string | null;
  readonly h: readonly (readonly [string, string | null])[];
  readonly t: number;
}

export interface Hello {
  readonly client: string;
  readonly version: string;
  /** Names of checks, or `assignment`, that this client has nothing for. */
  readonly lacks: readonly string[];
}

/** What a member of a group took since it was asked last: partition and offset of each record; what it owns now. */
export interface Taken {
  readonly records: readonly (readonly [number, number])[];
  readonly assigned: readonly number[];
}

/** The program answered with an error; `code` is Kafka's, or null where the client does not tell. */
export class ClientError extends Error {
  override name = "ClientError";
  constructor(readonly code: number | null, message: string) {
    super(message);
  }
}

const ANSWER_MS_MAX = 60_000;

export class Program implements AsyncDisposable {
  readonly #name: string;
  readonly #bootstrap: string;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #errors: Promise<string>;

  /** Starts `command` against the server at `bootstrap`. */
  constructor(name: string, command: readonly string[], bootstrap: string, env: Record<string, string> = {}) {
    this.#name = name;
    this.#bootstrap = bootstrap;
    this.#child = new Deno.Command(command[0] ?? "", {
      args: command.slice(1),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { ...env, BOOTSTRAP: bootstrap, PYTHONDONTWRITEBYTECODE: "1" },
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
      .getReader();
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** Sends one request and waits for its answer. Throws ClientError when the program answers with one. */
  async ask<T = null>(op: string, fields: Record<string, unknown> = {}): Promise<T> {
    await this.#writer.write(new TextEncoder().encode(JSON.stringify({ op, ...fields }) + "\n"));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#kill();
        reject(new Error(`${this.#name}: no answer to ${op} within ${ANSWER_MS_MAX} ms`));
      }, ANSWER_MS_MAX);
    });
    try {
      const { value, done } = await Promise.race([this.#lines.read(), late]);
      if (done) throw new Error(`${this.#name} ended at ${op}: ${(await this.#errors).trim().slice(-400)}`);
      const answer = JSON.parse(value) as { ok: T } | { error: { code: number | null; message: string } };
      if ("error" in answer) {
        throw new ClientError(
          answer.error.code,
          `${op} at ${this.#bootstrap}: ${answer.error.message} (code ${answer.error.code})`,
        );
      }
      return answer.ok;
    } finally {
      clearTimeout(timer);
    }
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  /** Ends the program: at the end of its input it goes by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    const force = setTimeout(() => this.#kill(), 5_000);
    // A program that has ended cannot be written to or read from, and need not be.
    await Promise.allSettled([this.#writer.close(), this.#lines.cancel()]);
    await this.#child.status;
    await this.#errors;
    clearTimeout(force);
  }
}
