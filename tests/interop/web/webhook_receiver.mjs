// A webhook's receiver with the Standard Webhooks package: prints its URL, then a line for each request that it takes.
// The secret comes in the first line of the input. Every third request is answered 500, but none twice, so that no sound record
// becomes a dead letter, however the requests mix; those with "poison" always.
import http from "node:http";
import readline from "node:readline";
import { Webhook } from "standardwebhooks";

let webhook = null;
let count = 0;
const refusedIds = new Set();
const server = http.createServer((request, response) => {
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => (text += chunk));
  request.on("end", () => {
    const answer = (status) => response.writeHead(status).end();
    let body;
    try {
      body = webhook.verify(text, request.headers);
    } catch (error) {
      console.log(JSON.stringify({ forged: String(error) }));
      return answer(401);
    }
    const { partition, records } = body.data;
    const values = records.map(({ value }) => value.data);
    if (values.includes("poison")) return answer(500);
    const id = request.headers["webhook-id"];
    if (++count % 3 === 0 && !refusedIds.has(id)) {
      refusedIds.add(id);
      return answer(500);
    }
    const offsets = records.map(({ offset }) => offset);
    console.log(JSON.stringify({ id, partition, offsets, values }));
    answer(204);
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/hook`));
readline.createInterface({ input: process.stdin }).once("line", (secret) => (webhook = new Webhook(secret)))
  .on("close", () => process.exit());
