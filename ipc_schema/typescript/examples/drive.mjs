// Starts the examples for Electron and VS Code without these programs, which are too large for a test: the few functions
// that the examples use are played here, the sidecar is a real one. `node examples/drive.mjs electron|vscode`
import { createRequire, Module } from "node:module";

const require = createRequire(import.meta.url);

function play(name, exports) {
  const load = Module._load;
  Module._load = (request, ...rest) => (request === name ? exports : load(request, ...rest));
}

async function electron() {
  const handlers = new Map();
  const listeners = new Map();
  let quit;
  const ended = new Promise((resolve) => (quit = resolve));
  const ask = async () => {
    const sender = { send: (_channel, chunk) => process.stdout.write(chunk) };
    await handlers.get("ask")({ sender }, "What is a llama?");
    listeners.get("before-quit")({ preventDefault() {} });
  };
  play("electron", {
    app: {
      isPackaged: false,
      whenReady: async () => undefined,
      on: (name, listener) => listeners.set(name, listener),
      quit,
    },
    BrowserWindow: class {
      loadFile = ask;
    },
    ipcMain: { handle: (name, handler) => handlers.set(name, handler) },
  });
  require("./electron/main.cjs");
  await ended;
}

async function vscode() {
  const commands = new Map();
  const code = "print('hello')";
  play("vscode", {
    commands: { registerCommand: (name, run) => commands.set(name, run) },
    window: {
      activeTextEditor: { selection: {}, document: { getText: () => code } },
      createOutputChannel: () => ({
        show() {},
        append: (text) => process.stdout.write(text),
        appendLine: (text) => process.stdout.write(`${text}\n`),
      }),
      showErrorMessage: (text) => {
        throw new Error(text);
      },
      withProgress: (_options, task) => task({}, { onCancellationRequested() {} }),
    },
    workspace: { getConfiguration: () => ({ get: (_name, standard) => standard }) },
  });
  const extension = require("./vscode/extension.cjs");
  extension.activate({ subscriptions: [] });
  await commands.get("localModel.explain")();
  await extension.deactivate();
}

await { electron, vscode }[process.argv[2]]();
