/** Cuts a stream of text into lines. */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest: string[] = [];
    super({
      transform(text, controller) {
        const pieces = text.split("\n");
        for (const piece of pieces.slice(0, -1)) {
          controller.enqueue(rest.join("") + piece);
          rest = [];
        }
        rest.push(pieces.at(-1) ?? "");
      },
      flush(controller) {
        if (rest.join("") !== "") controller.enqueue(rest.join(""));
      },
    });
  }
}
