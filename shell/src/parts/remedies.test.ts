import { describe, expect, it } from "vitest";
import { placesOf } from "./remedies";

const call = (action: string) => ({ action, params: {} });

describe("what helps", () => {
  it("leads to each page once that has it", () => {
    const remedies = [call("restart_server"), call("start_llama_server"), call("search_hub"), call("open_settings")];
    expect(placesOf(remedies, "chat")).toEqual(["servers", "models", "settings"]);
  });

  it("does not lead to the page that is shown, nor anywhere for what no page has", () => {
    expect(placesOf([call("list_models"), call("install_engine"), call("from_a_later_sidecar")], "models")).toEqual([]);
  });
});
