// Runs one handler, as the runtime of a function does: an event a line in, an outcome a line out.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// What a handler prints is no outcome.
console.log = console.error;

const { handler } = await import(pathToFileURL(process.argv[2]));

// A handler returns a promise, or says by a callback or by its context what becomes of the event.
const run = (event, context) =>
  new Promise((resolve, reject) => {
    const done = (error, result) => (error ? reject(error) : resolve(result));
    Object.assign(context, { succeed: resolve, fail: reject, done });
    const returned = handler(event, context, done);
    if (typeof returned?.then === "function") returned.then(resolve, reject);
  });

for await (const line of createInterface({ input: process.stdin })) {
  const { event, context } = JSON.parse(line);
  let outcome;
  try {
    outcome = { result: (await run(event, context)) ?? null };
  } catch (error) {
    outcome = {
      error: {
        errorMessage: error?.message ?? String(error),
        errorType: error?.name ?? typeof error,
        trace: String(error?.stack).split("\n"),
      },
    };
  }
  writeSync(1, JSON.stringify(outcome) + "\n");
}
