import { createClient } from "@llama-sidecar/client";
import { spawnSidecar } from "@llama-sidecar/client/stdio";

const sidecar = createClient(spawnSidecar({ command: "llama-sidecar" }));
await sidecar.start_llama_server({}, { onEvent: (event) => console.error(event.status) });

const answer = sidecar.stream("send_message", { message: "What is a llama?", max_tokens: 64 });
for await (const event of answer) {
  if (event.status === "token") process.stdout.write(event.chunk);
}
const { timings } = await answer.result;
console.error(`\n${timings.predicted_per_second} tokens/s`);
await sidecar.close();
