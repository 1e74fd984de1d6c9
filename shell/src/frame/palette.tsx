/** Ctrl/Cmd-K: everything by name. `?`: the list of shortcuts. Owns the keys that work on every page. */

import { Kbd, Modal, Table, useMantineColorScheme } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { lazy, Suspense, useEffect, useState } from "react";
import { go, PAGES } from "./route";

const Commands = lazy(() => import("./commands"));

const LIST: [string, string][] = [
  ["Ctrl K", "Find a page, a chat or an action"],
  ["Alt 1 … 6", "Go to a page"],
  ["Alt N", "New chat"],
  ["Alt T", "Light or dark"],
  ["Enter", "Send; Shift Enter makes a new line"],
  ["Escape", "Stop the answer"],
  ["?", "This list"],
];

export function Palette() {
  const [help, setHelp] = useState(false);
  const [find, setFind] = useState(false);
  const { toggleColorScheme } = useMantineColorScheme();
  useHotkeys([
    ["shift+?", () => setHelp(true)],
    ["?", () => setHelp(true)],
  ]);
  // While something is being written, too.
  useHotkeys(
    [
      ["mod+K", () => setFind(true)],
      ["alt+N", () => go("chat")],
      ["alt+T", toggleColorScheme],
      ...PAGES.map((page, index): [string, () => void] => [`alt+${index + 1}`, () => go(page)]),
    ],
    [],
    true,
  );
  useEffect(() => {
    const show = (): void => setHelp(true);
    window.addEventListener("show-shortcuts", show);
    return () => window.removeEventListener("show-shortcuts", show);
  }, []);
  return (
    <>
      {find && (
        <Suspense fallback={null}>
          <Commands onClose={() => setFind(false)} onHelp={() => setHelp(true)} />
        </Suspense>
      )}
      <Modal opened={help} onClose={() => setHelp(false)} title="Keyboard">
        <Table>
          <Table.Tbody>
            {LIST.map(([keys, what]) => (
              <Table.Tr key={keys}>
                <Table.Td>
                  <Kbd>{keys}</Kbd>
                </Table.Td>
                <Table.Td>{what}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Modal>
    </>
  );
}
