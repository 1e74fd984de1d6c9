/** Colours, type and shapes. Texts have a contrast of 4.5 to 1 at least, in both schemes. */

import { type CSSVariablesResolver, createTheme } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "blue",
  primaryShade: { light: 8, dark: 8 },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "Noto Sans Mono", "Liberation Mono", monospace',
  headings: { fontWeight: "600" },
  components: {
    Button: { styles: { label: { fontWeight: 500 } } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 400, transitionProps: { duration: 100 } } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
    Modal: {
      defaultProps: { centered: true, transitionProps: { duration: 120 }, closeButtonProps: { "aria-label": "Close" } },
    },
    Drawer: { defaultProps: { transitionProps: { duration: 150 }, closeButtonProps: { "aria-label": "Close" } } },
    Menu: {
      defaultProps: {
        transitionProps: { duration: 100 },
        shadow: "md",
        position: "bottom-end",
        returnFocus: true,
        // It would stand in the menu without being an item.
        withInitialFocusPlaceholder: false,
      },
    },
    Card: { defaultProps: { withBorder: true, padding: "md", radius: "lg" } },
    Badge: { defaultProps: { radius: "sm", tt: "none", fw: 500 } },
  },
});

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#596270",
    "--mantine-color-placeholder": "#646d7a",
    "--mantine-color-error": "#c02a2a",
    "--mantine-color-anchor": "#1a5bb5",
    "--side": "#f6f7f9",
    "--line": "#e2e5ea",
    "--said": "#eef2f8",
    "--code": "#f6f8fa",
    "--good": "#1d7a3a",
    "--warn": "#946200",
    "--bad": "#c02a2a",
  },
  dark: {
    "--mantine-color-body": "#16181c",
    "--mantine-color-dark-7": "#16181c",
    "--mantine-color-dark-6": "#1e2126",
    "--mantine-color-dark-5": "#2a2f37",
    "--mantine-color-dark-4": "#363b44",
    "--mantine-color-text": "#d5d9df",
    "--mantine-color-default": "#1e2126",
    "--mantine-color-default-hover": "#262a31",
    "--mantine-color-default-border": "#363b44",
    "--mantine-color-dimmed": "#9aa3b0",
    "--mantine-color-placeholder": "#8d96a3",
    "--mantine-color-error": "#ff8787",
    "--mantine-color-anchor": "#7db3ff",
    "--side": "#1b1e23",
    "--line": "#2c3038",
    "--said": "#232831",
    "--code": "#1d2026",
    "--good": "#69c784",
    "--warn": "#e0b050",
    "--bad": "#ff8787",
  },
});
