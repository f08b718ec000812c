// Runs one handler, as the runtime of a function does: an event a line in, an outcome a line out.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// What a handler prints is no outcome.
console.log = console.error;

const { handler } = await import(pathToFileURL(process.argv[2]));

for await (const line of createInterface({ input: process.stdin })) {
  const { event, context } = JSON.parse(line);
  let outcome;
  try {
    outcome = { result: (await handler(event, context)) ?? null };
  } catch (error) {
    outcome = {
      error: {
        errorMessage: error?.message ?? String(error),
        errorType: error?.name ?? "Error",
        trace: String(error?.stack).split("\n"),
      },
    };
  }
  writeSync(1, JSON.stringify(outcome) + "\n");
}
