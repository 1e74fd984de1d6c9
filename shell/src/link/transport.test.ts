import { keepConnected, type LinkState } from "@llama-sidecar/client";
import * as tauri from "@llama-sidecar/client/tauri";
import { afterEach, expect, test, vi } from "vitest";
import { tauriCarrier } from "./transport";

const GIVEN_UP = {
  code: -32100,
  message: "The sidecar does not start.",
  data: { name: "SIDECAR_NOT_RUNNING", retryable: true, hint: "Try again." },
};

/** An app of a sidecar that runs or does not; it starts when it is asked to. */
function app() {
  const now = { pid: null as number | null, commands: [] as string[] };
  const core = {
    invoke: async <T>(command: string): Promise<T> => {
      now.commands.push(command);
      if (command === "start_sidecar_again") now.pid = 7;
      else if (now.pid === null) throw GIVEN_UP;
      return { pid: now.pid, server: { name: "llama-sidecar", version: "1" } } as T;
    },
    Channel: class {},
  };
  return { now, core };
}

const reaches = (link: ReturnType<typeof keepConnected>, status: LinkState["status"]): Promise<unknown> =>
  vi.waitUntil(() => link.state.status === status, { timeout: 2000 });

afterEach(() => vi.useRealTimers());

test("Try now has the app start a sidecar that it had given up, and the page is connected", async () => {
  const { now, core } = app();
  const link = keepConnected({ ...tauriCarrier(core, tauri, () => undefined), retryDelaysMs: [60_000] });
  await reaches(link, "waiting");
  expect(now.commands).not.toContain("start_sidecar_again");
  link.retry();
  await reaches(link, "ready");
  expect(now.commands.filter((command) => command === "start_sidecar_again")).toHaveLength(1);
  await link.close();
});

test("a sidecar that is given up later takes the connection with it, and says why", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const { now, core } = app();
  now.pid = 1;
  const link = keepConnected({ ...tauriCarrier(core, tauri, () => undefined), retryDelaysMs: [60_000] });
  await reaches(link, "ready");
  now.pid = null;
  await vi.advanceTimersByTimeAsync(5000);
  await reaches(link, "waiting");
  expect(link.state).toMatchObject({ error: { message: "The sidecar does not start." } });
  await link.close();
});

test("the sidecar that follows a crashed one is told of", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const { now, core } = app();
  now.pid = 1;
  const replaced: number[] = [];
  const link = keepConnected(tauriCarrier(core, tauri, ({ pid }) => replaced.push(pid)));
  await reaches(link, "ready");
  await vi.advanceTimersByTimeAsync(3000);
  now.pid = 2;
  await vi.advanceTimersByTimeAsync(5000);
  expect(replaced).toEqual([2]);
  expect(link.state.status).toBe("ready");
  await link.close();
});
