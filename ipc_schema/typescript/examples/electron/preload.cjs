// What the page may do: ask, and receive tokens. It reaches nothing else of Node.
const { contextBridge, ipcRenderer } = require("electron");

contextBridge.exposeInMainWorld("model", {
  ask: (question) => ipcRenderer.invoke("ask", question),
  onToken: (receive) => ipcRenderer.on("token", (_event, chunk) => receive(chunk)),
});
