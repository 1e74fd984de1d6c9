import type { Transport } from "@llama-sidecar/client";

/** A WebSocket to the sidecar that served this page. */
export function openWebSocket(): Promise<Transport> {
  const address = new URL("/rpc", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = location.search;
  const socket = new WebSocket(address, "llama-sidecar.v1");
  let onMessage: ((line: string) => void) | undefined;
  const early: string[] = [];
  socket.addEventListener("message", ({ data }) => {
    if (onMessage === undefined) early.push(String(data));
    else onMessage(String(data));
  });
  const closed = new Promise<Error>((resolve) => {
    socket.addEventListener("close", ({ reason }) => resolve(new Error(reason || "the socket was closed")));
  });
  return new Promise((resolve, reject) => {
    void closed.then(reject);
    socket.addEventListener("open", () =>
      resolve({
        send: async (line) => socket.send(line),
        onMessage: (handler) => {
          onMessage = handler;
          for (const line of early.splice(0)) handler(line);
        },
        onClose: (handler) => void closed.then(handler),
        close: async () => {
          socket.close();
          await closed;
        },
      }),
    );
  });
}
