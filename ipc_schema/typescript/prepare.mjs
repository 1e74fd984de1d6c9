// Builds dist, which a checkout does not have: npm calls this before it packs the package or links it into another one.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const run = (...words) =>
  execFileSync(npm, words, { cwd: folder, stdio: "inherit", shell: process.platform === "win32" });

// Whoever links the package gets none of its development packages.
if (!existsSync(new URL("node_modules/typescript", import.meta.url))) {
  run("ci", "--ignore-scripts", "--no-audit", "--no-fund");
}
run("run", "build");
