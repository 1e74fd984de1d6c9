import type { HubVariant } from "@llama-sidecar/client";
import { Badge, Button, Skeleton, Table, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { client } from "../../link/link";
import { useAnswer } from "../../link/use_answer";
import { ErrorCard } from "../../parts/error_card";
import { bytes } from "../../parts/format";
import { report } from "../../parts/problems";
import { isMoving } from "../../state/downloads";
import { useWorld } from "../../state/feed";
import { wasCancelled } from "../../state/problem";
import { isHere, type World } from "../../state/world";

const FITS = {
  gpu: ["good", "fits the GPU"],
  memory: ["good", "fits in memory"],
  no: ["bad", "does not fit"],
} as const;

/** The quantisations of a repository, each with its size and whether it fits. */
export function HubFiles({ repo }: { repo: string }) {
  const { value, error, reload } = useAnswer(`files ${repo}`, (client, signal) =>
    client.list_hub_files({ repo }, { signal }),
  );
  if (error !== undefined) return <ErrorCard error={error} onRetry={reload} />;
  if (value === undefined) return <Skeleton height={120} />;
  return (
    <>
      <div className="table-scroll" tabIndex={0} role="region" aria-label={`Files of ${repo}`}>
        <Table fz="sm" verticalSpacing={6} miw={420}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Quantisation</Table.Th>
              <Table.Th ta="right">Size</Table.Th>
              <Table.Th>On this machine</Table.Th>
              <Table.Th>
                <span className="visually-hidden">Download</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {value.variants.map((variant) => (
              <Variant key={variant.name} repo={value.repo} revision={value.revision} variant={variant} />
            ))}
          </Table.Tbody>
        </Table>
      </div>
      <Text size="xs" c="dimmed" mt={6}>
        {value.licence ? `Licence: ${value.licence}. ` : ""}
        {value.projectors.length > 0 ? "The projector for pictures comes along." : ""}
      </Text>
    </>
  );
}

type Known = "coming" | "paused" | "here";

const WORDS: Record<Known, string> = { coming: "Downloading", paused: "Paused", here: "Downloaded" };

/** What has become of a file of the hub; null where it is not here and does not come. */
function stateOf(world: World, repo: string, file: string | undefined): Known | null {
  const found = Object.values(world.downloads).find(
    (download) =>
      download.repo === repo &&
      (download.state === "done" ? isHere(world, download) : isMoving(download) || download.state === "paused") &&
      download.files.some(({ name }) => file?.endsWith(name)),
  );
  if (found === undefined) return null;
  return found.state === "done" ? "here" : found.state === "paused" ? "paused" : "coming";
}

/** Whether the failure of a download is shown in the list of them. */
const isListed = (repo: string): boolean =>
  Object.values(useWorld.getState().downloads).some(
    (download) => download.repo === repo && download.state === "failed",
  );

function Variant({ repo, revision, variant }: { repo: string; revision: string; variant: HubVariant }) {
  const file = variant.files[0]?.path;
  const state = useWorld((world) => stateOf(world, repo, file));
  const word = state === null ? "Download" : WORDS[state];
  const [dot, words] = variant.fits === null ? ["idle", "not known"] : FITS[variant.fits];
  const get = (): void => {
    client()
      .download_model({ repo, revision, ...(file === undefined ? {} : { file }) })
      .catch((error: unknown) => {
        if (!wasCancelled(error) && !isListed(repo)) report(error);
      });
  };
  return (
    <Table.Tr>
      <Table.Td style={{ overflowWrap: "anywhere" }}>
        {variant.quantization ?? variant.name}{" "}
        {variant.default && (
          <Badge variant="default" size="xs">
            suggested
          </Badge>
        )}
      </Table.Td>
      <Table.Td ta="right">{bytes(variant.size_bytes)}</Table.Td>
      <Table.Td style={{ whiteSpace: "nowrap" }}>
        <span className="dot" data-state={dot} aria-hidden /> {words}
      </Table.Td>
      <Table.Td ta="right">
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconDownload size={15} aria-hidden />}
          aria-label={`${word} ${variant.quantization ?? variant.name}`}
          // It keeps the focus that it has.
          data-disabled={state !== null || undefined}
          aria-disabled={state !== null}
          onClick={(event) => (state === null ? get() : event.preventDefault())}
        >
          {word}
        </Button>
      </Table.Td>
    </Table.Tr>
  );
}
