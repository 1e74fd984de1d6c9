/// <reference types="vitest/config" />
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const client = fileURLToPath(new URL("../ipc_schema/typescript/src/", import.meta.url));

/** Every browser that runs this page reads woff2: the other two forms of each font would only take room. */
const oneFontForm: Plugin = {
  name: "one-font-form",
  enforce: "pre",
  transform: (code, id) =>
    id.includes("katex.min.css") ? code.replaceAll(/,url\([^)]+\.(?:woff|ttf)\) format\("[a-z]+"\)/g, "") : undefined,
};

/** Writes into the page which parts of it are loaded later; `src/link/parts.ts` fetches them. */
const namesOfParts: Plugin = {
  name: "names-of-parts",
  transformIndexHtml: {
    order: "post",
    handler: (html, { bundle = {} }) => {
      const later = Object.keys(bundle).filter((name) => name.startsWith("assets/") && !html.includes(name));
      const content = later.map((name) => `./${name}`).join(" ");
      return [{ tag: "meta", attrs: { name: "llama-sidecar-parts", content }, injectTo: "head" }];
    },
  },
};

export default defineConfig({
  base: "./",
  plugins: [oneFontForm, namesOfParts, react()],
  resolve: {
    alias: [
      { find: /^@llama-sidecar\/client\/(.+)$/, replacement: `${client}transports/$1.ts` },
      { find: /^@llama-sidecar\/client$/, replacement: `${client}index.ts` },
    ],
  },
  build: {
    target: "es2022",
    // Fonts and icons stay files: a page whose policy forbids data: addresses shows them all the same.
    assetsInlineLimit: 0,
    // What is fetched before the first paint is bounded by the project: 600 KB, compressed.
    chunkSizeWarningLimit: 1500,
  },
  server: { port: 5173, strictPort: true, fs: { allow: [".."] } },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
