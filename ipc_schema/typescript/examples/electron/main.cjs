// Electron's main process: owns the sidecar, and hands the page's questions to it. `npx electron examples/electron`
const { app, BrowserWindow, ipcMain } = require("electron");
const path = require("node:path");
const { createClient } = require("@llama-sidecar/client");
const { spawnSidecar } = require("@llama-sidecar/client/stdio");

// A packaged app ships the program among its resources; during development it is on PATH.
const command = app.isPackaged ? path.join(process.resourcesPath, "llama-sidecar") : "llama-sidecar";
const sidecar = createClient(spawnSidecar({ command, onStderr: (text) => process.stderr.write(text) }));
let started;

ipcMain.handle("ask", async (event, question) => {
  started ??= sidecar.start_llama_server({});
  await started;
  const answer = sidecar.stream("send_message", { message: question });
  for await (const part of answer) {
    if (part.status === "token") event.sender.send("token", part.chunk);
  }
  return (await answer.result).content;
});

app.whenReady().then(() => {
  const window = new BrowserWindow({ webPreferences: { preload: path.join(__dirname, "preload.cjs") } });
  return window.loadFile(path.join(__dirname, "index.html"));
});

let closing;
app.on("before-quit", (event) => {
  if (closing === undefined) {
    event.preventDefault(); // until the sidecar has stopped its engines
    closing = sidecar.close().finally(() => app.quit());
  }
});
