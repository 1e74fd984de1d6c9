import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./styles.css";
import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./frame/app";
import { keepOpen } from "./link/link";
import { takeUpAgain } from "./state/chat";
import { feedFrom } from "./state/feed";
import { theme, variables } from "./theme";

const schemes = localStorageColorSchemeManager({ key: "llama-sidecar-colours" });

void keepOpen((client) => {
  feedFrom(client);
  takeUpAgain();
});

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      colorSchemeManager={schemes}
      defaultColorScheme="auto"
    >
      <Notifications position="top-right" limit={4} />
      <App />
    </MantineProvider>
  </StrictMode>,
);
