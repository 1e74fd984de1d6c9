/** Numbers, sizes and times as a person reads them. */

const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** 98,000,000 -> "98 MB": decimal, as disks and downloads are sold. */
export function bytes(value: number | null | undefined, unknown = "–"): string {
  if (value === null || value === undefined) return unknown;
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  const digits = unit === 0 || size >= 99.5 ? 0 : size >= 9.95 ? 1 : 2;
  return `${value < 0 ? "-" : ""}${Number(size.toFixed(digits))} ${UNITS[unit]}`;
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

/** 134515008 -> "135M". */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

export function percent(part: number, whole: number): number {
  return whole > 0 ? Math.max(0, Math.min(100, (100 * part) / whole)) : 0;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** Unix seconds -> "5 min ago". */
export function ago(at: number, now = Date.now() / 1000): string {
  const passed = now - at;
  if (passed < 45) return "just now";
  if (passed < 3600) return `${Math.max(1, Math.round(passed / 60))} min ago`;
  if (passed < 86_400) return `${Math.round(passed / 3600)} h ago`;
  if (passed < 7 * 86_400) return `${Math.round(passed / 86_400)} d ago`;
  return new Date(at * 1000).toLocaleDateString("en", { dateStyle: "medium" });
}

export const exact = (at: number): string => new Date(at * 1000).toLocaleString("en");

export const clock = (at: number): string =>
  new Date(at * 1000).toLocaleTimeString("en", {
    hour12: false,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });

/** `n_gpu_layers` -> "GPU layers". */
export function spoken(name: string): string {
  const special: Record<string, string> = NAMES;
  const words = special[name] ?? name.replaceAll("_", " ");
  return words.startsWith("llama.cpp") ? words : words.charAt(0).toUpperCase() + words.slice(1);
}

/** An explanation in which other settings are called as the page calls them. */
export const explained = (text: string): string =>
  text.replace(/`([a-z_]+)`/g, (_whole, name: string) => `“${spoken(name)}”`);

/** A choice's name in words, where it does not say itself what it means. */
export const chosen = (choice: string): string => (CHOICES as Record<string, string>)[choice] ?? choice;

const CHOICES = {
  drop_oldest: "Leave out the oldest",
  keep_ends: "Keep both ends",
};

const NAMES = {
  n_gpu_layers: "GPU layers",
  ctx_size: "Context size",
  n_cpu_moe: "Expert layers on the CPU",
  mmproj_path: "Projector file",
  llama_cpp_path: "llama.cpp folder",
  model_path: "Model file",
  flash_attn: "Flash attention",
  cache_type_k: "K cache type",
  cache_type_v: "V cache type",
  ubatch_size: "Physical batch size",
  lora: "LoRA adapters",
  rpc_servers: "RPC servers",
  extra_args: "Further arguments",
  env: "Environment",
  require_gpu: "Require the GPU",
  top_p: "Top P",
  top_k: "Top K",
  min_p: "Min P",
  parallel: "Parallel messages",
  max_tokens: "Longest answer",
  context_policy: "When the context is full",
  engines: "Engines",
  server_defaults: "Server defaults",
  chat: "Chat",
  storage: "History",
  server_presets: "Server presets",
  chat_presets: "Chat presets",
  hub_endpoint: "Hub address",
};
