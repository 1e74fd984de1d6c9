// A command that explains the selected code in an output panel. VS Code loads extensions as CommonJS.
const vscode = require("vscode");
const { createClient, SidecarError } = require("@llama-sidecar/client");
const { spawnSidecar } = require("@llama-sidecar/client/stdio");

let sidecar;

function activate(context) {
  const panel = vscode.window.createOutputChannel("Local model");
  const explain = async () => {
    const editor = vscode.window.activeTextEditor;
    const code = editor?.document.getText(editor.selection);
    if (!code) return vscode.window.showInformationMessage("Select some code first.");
    panel.show(true);
    const title = "Asking the local model";
    await vscode.window.withProgress({ location: 15, title, cancellable: true }, async (_progress, token) => {
      const cancel = new AbortController();
      token.onCancellationRequested(() => cancel.abort());
      try {
        if (sidecar === undefined) {
          const command = vscode.workspace.getConfiguration("localModel").get("command", "llama-sidecar");
          sidecar = createClient(spawnSidecar({ command }));
          await sidecar.start_llama_server({});
        }
        const message = `Explain this code:\n\n${code}`;
        const answer = sidecar.stream("send_message", { message }, { signal: cancel.signal });
        for await (const event of answer) if (event.status === "token") panel.append(event.chunk);
        panel.appendLine("");
      } catch (error) {
        const hint = error instanceof SidecarError ? ` ${error.hint}` : "";
        vscode.window.showErrorMessage(`${error.message}${hint}`);
      }
    });
  };
  context.subscriptions.push(panel, vscode.commands.registerCommand("localModel.explain", explain));
}

// VS Code waits for this promise: the sidecar stops its engines before the editor ends.
const deactivate = () => sidecar?.close();

module.exports = { activate, deactivate };
