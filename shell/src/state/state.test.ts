import type { Download, Resources, ServerInfo, Session } from "@llama-sidecar/client";
import { describe, expect, it } from "vitest";
import { sentences } from "../pages/chat/announcer";
import { blocks, dollars } from "../pages/chat/markdown_blocks";
import { grouped } from "../pages/servers/groups";
import { bytes, chosen, duration, explained, spoken } from "../parts/format";
import { lineOf, progressOf } from "./downloads";
import { gaugeOf } from "./gauge";
import { addLines, cutAt, filtered } from "./log_lines";
import { defaultWords, fieldsOf, mentions, type Schema } from "./schema";
import { added, type Point, pointOf, roundTop, windowOf } from "./series";
import { sessionRows } from "./sessions";
import { applyStart, freeId, type Start } from "./starts";
import { applyTopic, EMPTY_WORLD, serverFor } from "./world";

const download = (part: Partial<Download>): Download => ({
  download_id: "d",
  state: "downloading",
  repo: "a/b",
  revision: null,
  url: null,
  folder: "/m",
  files: [],
  received_bytes: 250,
  total_bytes: 1000,
  bytes_per_second: 100,
  eta_seconds: 7.5,
  waiting: null,
  verified_bytes: 0,
  goes_on: false,
  error: null,
  model_path: null,
  created_at: 0,
  finished_at: null,
  warnings: [],
  ...part,
});

const session = (id: string, updated_at: number, archived = false): Session => ({
  session_id: id,
  title: `About ${id}`,
  system: null,
  server_id: null,
  config: {},
  archived,
  created_at: 0,
  updated_at,
  message_count: 1,
  head: null,
});

const server = (server_id: string, state: ServerInfo["state"]) => ({ server_id, state }) as ServerInfo;

describe("the world", () => {
  it("takes in what comes, what changes and what goes", () => {
    let world = applyTopic(EMPTY_WORLD, { status: "server", server: server("default", "loading"), dropped: 0 });
    world = applyTopic(world, { status: "server", server: server("default", "ready"), dropped: 0 });
    world = applyTopic(world, { status: "session", session: session("s", 1), dropped: 0 });
    expect(world.servers["default"]?.state).toBe("ready");
    world = applyTopic(world, { status: "server_removed", server_id: "default", dropped: 0 });
    world = applyTopic(world, { status: "session_deleted", session_id: "s", dropped: 0 });
    expect([world.servers, world.sessions]).toEqual([{}, {}]);
  });

  it("chooses the server a message would go to", () => {
    const failed = server("default", "failed");
    const world = { ...EMPTY_WORLD, servers: { default: failed, a: { ...server("a", "ready"), default: true } } };
    expect(serverFor(world, null)?.server_id).toBe("a");
    expect(serverFor({ ...EMPTY_WORLD, servers: { default: failed } }, null)?.server_id).toBe("default");
    expect(serverFor(world, "default")?.server_id).toBe("default");
    expect(serverFor(EMPTY_WORLD, "a")).toBeNull();
  });
});

describe("a start", () => {
  it("goes through its stages with their progress", () => {
    const start = { stage: "queued", progress: null, etaMs: null } as Start;
    const loading = applyStart(start, { status: "loading", stage: "text_model", progress: 0.4, eta_ms: 900 });
    expect(loading).toMatchObject({ stage: "loading", progress: 0.4, etaMs: 900 });
    expect(applyStart(loading, { status: "warming" })).toMatchObject({ stage: "warming", progress: null, etaMs: null });
  });
});

describe("another server", () => {
  it("has the usual name where that is free, else the next number", () => {
    expect(freeId([])).toBe("default");
    expect(freeId(["server-2"])).toBe("default");
    expect(freeId(["default", "server-2"])).toBe("server-3");
  });
});

describe("the context gauge", () => {
  it("is quiet where all fits", () => {
    expect(gaugeOf({ fits: true, max_context: 4000, input_length: 1000, dropped: [] })).toMatchObject({
      percent: 25,
      level: "good",
      warning: null,
    });
  });

  it("says what will be left out, and what will be refused", () => {
    const dropped = [{ message_id: "m", role: "user", reason: "old" }];
    expect(gaugeOf({ fits: true, max_context: 100, input_length: 80, dropped }).warning).toContain("oldest message");
    expect(gaugeOf({ fits: false, max_context: 100, input_length: 140, dropped: [] })).toMatchObject({
      level: "over",
      percent: 100,
    });
  });
});

describe("downloads", () => {
  it("say how far they are, how fast and how long still", () => {
    expect(progressOf(download({}))).toBe(25);
    expect(lineOf(download({}))).toBe("250 B of 1 KB · 100 B/s · 7.5 s left");
    expect(lineOf(download({ waiting: "The network is away." }))).toBe("250 B of 1 KB. The network is away.");
    expect(lineOf(download({ state: "paused" }))).toBe("Paused at 250 B of 1 KB");
  });

  it("count what is checked while it is checked, and know what is not known", () => {
    expect(progressOf(download({ state: "verifying", verified_bytes: 500 }))).toBe(50);
    expect(progressOf(download({ total_bytes: null }))).toBeNull();
  });
});

describe("the list of sessions", () => {
  it("is grouped by day, the pinned ones first, the last used on top", () => {
    const all = [
      session("old", 0),
      session("new", 1_000_500),
      session("newer", 1_000_900),
      session("pin", 5),
      session("gone", 9, true),
    ];
    const rows = sessionRows(all, { query: "", archived: false, pinned: new Set(["pin"]), today: 1_000_000 });
    expect(rows.map(({ key }) => key)).toEqual(["Pinned", "pin", "Today", "newer", "new", "Earlier", "old"]);
    expect(
      sessionRows(all, { query: "OLD", archived: false, pinned: new Set(), today: 0 }).map(({ key }) => key),
    ).toContain("old");
  });
});

describe("log lines", () => {
  const line = (seq: number, level: "info" | "error" = "info") => ({
    seq,
    at: seq,
    source: "sidecar",
    level,
    message: `Line ${seq}`,
  });

  it("are merged once each and bounded", () => {
    const lines = addLines([line(1), line(2)], [line(2), line(3), line(4)], 3);
    expect(lines.map(({ seq }) => seq)).toEqual([2, 3, 4]);
  });

  it("are filtered by level, source and text, and hits are found", () => {
    const lines = [line(1), line(2, "error")];
    expect(filtered(lines, { sources: new Set(), level: "error", text: "" })).toHaveLength(1);
    expect(filtered(lines, { sources: new Set(["server:x"]), level: "debug", text: "" })).toHaveLength(0);
    expect(filtered(lines, { sources: new Set(), level: "debug", text: "LINE 1" })).toHaveLength(1);
    expect(cutAt("a Line and a line", "line")).toEqual(["a ", "Line", " and a ", "line", ""]);
  });
});

describe("a form", () => {
  const schema: Schema = {
    $defs: {
      S: {
        properties: {
          ctx_size: {
            description: "Context in tokens. Default 4096.",
            anyOf: [{ type: "integer", minimum: 0 }, { type: "null" }],
            default: null,
          },
          engine: { anyOf: [{ enum: ["a", "b"] }, { type: "null" }] },
          lora: { anyOf: [{ type: "array", items: { type: "string" } }, { type: "null" }] },
          env: { anyOf: [{ type: "object", additionalProperties: { type: "string" } }, { type: "null" }] },
          flash_attn: { anyOf: [{ enum: ["auto", "on"] }, { type: "boolean" }, { type: "null" }] },
          make_room: { type: "boolean", default: true },
        },
      },
    },
  };
  const fields = fieldsOf({ $ref: "#/$defs/S" }, schema);

  it("has the control that suits each setting", () => {
    expect(fields.map(({ kind }) => kind)).toEqual(["integer", "choice", "lines", "pairs", "choice", "switch"]);
    expect(fields[0]).toMatchObject({ nullable: true, minimum: 0 });
  });

  it("knows the default, also where only the sentence says it", () => {
    expect(fields[0] && defaultWords(fields[0])).toBe("4096");
    expect(fields[5] && defaultWords(fields[5])).toBe("true");
  });

  it("puts every setting in one group, and one that is new in the last", () => {
    const strange = { ...(fields[0] as (typeof fields)[0]), name: "something_new" };
    const groups = grouped([...fields, strange]);
    expect(groups.flatMap(({ fields }) => fields)).toHaveLength(7);
    expect(groups.at(-1)?.fields.map(({ name }) => name)).toContain("something_new");
  });

  it("finds a setting by its name and by its explanation", () => {
    const field = { name: "ctx_size", description: "Context in tokens." };
    expect(mentions(field, spoken("ctx_size"), "tokens context")).toBe(true);
    expect(mentions(field, spoken("ctx_size"), "gpu")).toBe(false);
  });
});

describe("readings", () => {
  const at = (at: number, cpu: number): Point => ({ at, cpu });

  it("are kept for an hour and thinned out for the window", () => {
    let points: Point[] = [];
    for (let second = 0; second < 4000; second += 10) points = added(points, at(second, second));
    expect(points[0]?.at).toBeGreaterThan(3990 - 3601);
    expect(windowOf(points, 60).map((point) => point.at)).toEqual([3930, 3940, 3950, 3960, 3970, 3980, 3990]);
    expect(windowOf(points, 3600).length).toBeLessThanOrEqual(151);
  });

  it("leave out what a driver does not report", () => {
    const gpu = { index: 0, utilization_percent: 30, used_bytes: null, temperature_celsius: null, power_watts: null };
    const resources = {
      at: 1,
      cpu: { percent: 5 },
      memory: { used_bytes: 7 },
      gpus: [gpu],
      servers: [],
    } as unknown as Resources;
    expect(pointOf(resources, { tokensPerSecond: 2, waiting: 1 })).toEqual({
      at: 1,
      cpu: 5,
      memory: 7,
      speed: 2,
      waiting: 1,
      "gpu0.use": 30,
    });
  });
});

describe("Markdown", () => {
  it("is cut into blocks that together are the text", () => {
    expect(blocks("One\n\nTwo\n\n```py\na = 1\n\nb = 2\n```\n\nThree")).toEqual([
      "One\n",
      "Two\n",
      "```py\na = 1\n\nb = 2\n```\n",
      "Three",
    ]);
  });

  it("keeps a fence that is still open, and a list, in one block", () => {
    expect(blocks("Text\n\n```js\nx\n\ny")).toHaveLength(2);
    expect(blocks("1. one\n\n2. two\n\n3. three")).toHaveLength(1);
  });

  it("finds formulas in each of their forms, and none in code", () => {
    expect(dollars("\\(x\\) and `\\(y\\)`")).toBe("$$x$$ and `\\(y\\)`");
    expect(dollars("so $x$, and $E=mc^2$:")).toBe("so $$x$$, and $$E=mc^2$$:");
    expect(dollars("$$x$$ and\n$$\ny\n$$\n")).toBe("$$x$$ and\n$$\ny\n$$\n");
    expect(dollars("so \\[x\\]")).toBe("so \n$$\nx\n$$\n");
  });

  it("has prices, which are no formulas", () => {
    for (const text of ["from $20 up to $30 a month", "$5-$10", "($5) and ($10)", "\\$x\\$", "`$x$`"]) {
      expect(dollars(text)).toBe(text);
    }
  });

  it("is one block where an address stands apart from its link", () => {
    expect(blocks("[the docs][d]\n\nMore\n\n[d]: https://example.com")).toHaveLength(1);
  });

  it("is said to screen readers by whole sentences", () => {
    expect(sentences("One is done. Two is not", false)).toBe("One is done.");
    expect(sentences("One. Two! About 3.", false)).toBe("One.\nTwo!");
    expect(sentences("- a\n- b\n- c", false)).toBe("- a\n- b");
  });

  it("is said to its end once it is there, with a full stop or without", () => {
    expect(sentences("Paris", true)).toBe("Paris");
    expect(sentences("One. Two! About 3.14", true)).toBe("One.\nTwo!\nAbout 3.14");
  });
});

describe("a chart's top", () => {
  it("is above all that is shown, and a round number whose half is one, too", () => {
    expect([0, 1.5, 3, 17, 61, 700, 999].map(roundTop)).toEqual([2, 2, 4, 20, 80, 800, 1000]);
  });
});

describe("words for settings", () => {
  it("are those of the form, also inside of an explanation", () => {
    expect(spoken("llama_cpp_path")).toBe("llama.cpp folder");
    expect(explained("Wins over `model_path`.")).toBe("Wins over “Model file”.");
    expect(chosen("drop_oldest")).toBe("Leave out the oldest");
    expect(chosen("f16")).toBe("f16");
  });
});

describe("words for numbers", () => {
  it("are as a person reads them", () => {
    expect([bytes(98_000_000), bytes(1_500_000_000), bytes(999), bytes(null)]).toEqual([
      "98 MB",
      "1.5 GB",
      "999 B",
      "–",
    ]);
    expect([duration(0.25), duration(75), duration(7300)]).toEqual(["250 ms", "1 min 15 s", "2 h 1 min"]);
    expect([spoken("n_gpu_layers"), spoken("max_restarts")]).toEqual(["GPU layers", "Max restarts"]);
  });
});
