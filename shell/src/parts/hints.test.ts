import { describe, expect, it } from "vitest";
import { onThePage } from "./hints";

describe("a hint in the page's words", () => {
  it("names the page's places and buttons instead of methods", () => {
    expect(onThePage("Call start_llama_server first.")).toBe("Use “Start a server” first.");
    expect(onThePage("Call list_models for the models there are, or give model_path.")).toBe(
      "Look at the page Models for the models there are, or give “Model file”.",
    );
    expect(onThePage("Look for the cause in get_logs of this server, then call restart_server.")).toBe(
      "Look for the cause in the page Logs of this server, then use “Restart”.",
    );
  });

  it("says where a setting is", () => {
    expect(onThePage("If this is meant to be, set downloads.allow_private_addresses.")).toBe(
      "If this is meant to be, set “Allow private addresses” in Settings.",
    );
  });

  it("leaves names of models, files and variables as they are", () => {
    const hint = "Name one of these: tiny_llama, q4_k_m, my_models/a_b.gguf; or set HF_TOKEN.";
    expect(onThePage(hint)).toBe(hint);
  });
});
