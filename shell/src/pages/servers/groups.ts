/** How the start settings are grouped in the form, and what each costs. A setting that is new goes to Advanced. */

import type { Field } from "../../state/schema";

export interface Group {
  title: string;
  /** One sentence under the heading. */
  about: string;
  names: readonly string[];
  folded: boolean;
}

/** Without blanks: ids of the page are made of it. */
export const idOf = ({ title }: Group): string => title.toLowerCase().replace(/\W+/g, "-");

export const GROUPS: readonly Group[] = [
  {
    title: "Model",
    about: "What runs, and on which engine.",
    names: ["model", "engine", "mmproj_path", "lora", "preset"],
    folded: false,
  },
  {
    title: "Memory & GPU",
    about: "Where the model goes. What does not fit on the GPU runs on the CPU, more slowly.",
    names: ["n_gpu_layers", "require_gpu", "cache_type_k", "cache_type_v", "n_cpu_moe"],
    folded: false,
  },
  {
    title: "Context",
    about: "How much text the model can use together.",
    names: ["ctx_size", "parallel"],
    folded: false,
  },
  {
    title: "Performance",
    about: "The engine's own choices are good ones; change these to measure.",
    names: ["threads", "flash_attn", "batch_size", "ubatch_size"],
    folded: true,
  },
  {
    title: "Answers",
    about: "How what is said is put to the model.",
    names: ["reasoning_budget", "chat_template", "chat_template_file", "embeddings"],
    folded: true,
  },
  {
    title: "Network",
    about: "Only for other programs: this page needs no port.",
    names: ["port", "host", "rpc_servers"],
    folded: true,
  },
  {
    title: "Advanced",
    about: "Handed over as they are.",
    names: ["server_id", "llama_cpp_path", "model_path", "extra_args", "env"],
    folded: true,
  },
];

/** What a setting costs, where its explanation does not say it. */
export const COSTS: Readonly<Record<string, string>> = {
  ctx_size: "Costs memory in proportion, and speed where the context is full.",
  parallel: "Messages share the context: those that do not fit into it together wait for each other.",
  n_gpu_layers: "Each costs GPU memory and makes answers quicker.",
  cache_type_k: "q8_0 halves the cache's memory at hardly any loss.",
  cache_type_v: "q8_0 halves the cache's memory; needs flash attention.",
  n_cpu_moe: "Frees GPU memory for models of experts; costs some speed.",
  ubatch_size: "Larger ones read prompts quicker and cost working memory.",
  threads: "More than there are cores makes it slower.",
};

/** The fields of each group, in the group's order; what no group names is in the last one. */
export function grouped(fields: readonly Field[]): { group: Group; fields: Field[] }[] {
  const named = new Set(GROUPS.flatMap(({ names }) => names));
  const rest = fields.filter(({ name }) => !named.has(name));
  return GROUPS.map((group, index) => {
    const own = group.names.flatMap((name) => fields.find((field) => field.name === name) ?? []);
    return { group, fields: index === GROUPS.length - 1 ? [...own, ...rest] : own };
  });
}
