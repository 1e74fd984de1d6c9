import type { Config } from "@llama-sidecar/client";
import type { Schema } from "../state/schema";
import { type Answer, useAnswer } from "./use_answer";

export interface ConfigAndSchema {
  config: Config;
  schema: Schema;
}

/** The config and what it may hold, asked for together. */
export function useConfig(): Answer<ConfigAndSchema> {
  return useAnswer("config", async (client) => {
    const [config, schema] = await Promise.all([client.get_config(), client.get_config_schema()]);
    return { config, schema: schema as Schema };
  });
}
