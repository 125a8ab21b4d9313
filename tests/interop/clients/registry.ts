/**
 * The clients that keep the contract of programs/CONTRACT.md. A new client is one program and one line here.
 *
 * Where the programs are installed comes from the runner (run.ts) by the environment.
 */

import { ROOT } from "../../../tools/run.ts";

export interface Client {
  /** The suite's name for it, as in `ok kafkajs: metadata`. */
  readonly name: string;
  readonly language: string;
  readonly command: readonly string[];
}

const CACHE = Deno.env.get("CACHE") ?? `${ROOT}.cache/interop`;
const PROGRAMS = `${ROOT}tests/interop/programs`;
const LIBS = Deno.env.get("LIBS") ?? `${CACHE}/java`;

const python = (file: string) => [`${CACHE}/python/bin/python`, `${PROGRAMS}/python/${file}`];
// Node resolves packages beside the file, so the programs were copied to where their packages are.
const node = (file: string) => [`${CACHE}/js/node_modules/.bin/node`, `${CACHE}/js/${file}`];
const go = (name: string) => [`${CACHE}/go/${name}`];

export const CLIENTS: readonly Client[] = [
  {
    name: "kafka-clients",
    language: "Java",
    command: [
      "java",
      "-Xmx256m",
      "-XX:TieredStopAtLevel=1",
      "-cp",
      `${CACHE}/java-classes:${LIBS}/*`,
      "Contract",
    ],
  },
  { name: "confluent-kafka", language: "Python, C", command: python("confluent_client.py") },
  { name: "kafka-python", language: "Python", command: python("kafka_python_client.py") },
  { name: "aiokafka", language: "Python", command: python("aiokafka_client.py") },
  { name: "kafkajs", language: "JavaScript", command: node("kafkajs.mjs") },
  { name: "@platformatic/kafka", language: "JavaScript", command: node("platformatic.mjs") },
  { name: "franz-go", language: "Go", command: go("franz") },
  { name: "sarama", language: "Go", command: go("sarama") },
  { name: "segmentio/kafka-go", language: "Go", command: go("segmentio") },
];
