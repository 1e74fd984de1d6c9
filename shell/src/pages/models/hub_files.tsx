import type { HubVariant } from "@llama-sidecar/client";
import { Badge, Button, Skeleton, Table, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { client } from "../../link/link";
import { useAnswer } from "../../link/use_answer";
import { ErrorCard } from "../../parts/error_card";
import { bytes } from "../../parts/format";
import { report, wasCancelled } from "../../parts/problems";
import { useWorld } from "../../state/feed";

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
              <Table.Th>Here</Table.Th>
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

function Variant({ repo, revision, variant }: { repo: string; revision: string; variant: HubVariant }) {
  const file = variant.files[0]?.path;
  const known = useWorld(({ downloads }) =>
    Object.values(downloads).some(
      (download) =>
        download.repo === repo &&
        download.state !== "cancelled" &&
        download.files.some(({ name }) => file?.endsWith(name)),
    ),
  );
  const [dot, words] = variant.fits === null ? ["idle", "not known"] : FITS[variant.fits];
  const get = (): void => {
    client()
      .download_model({ repo, revision, ...(file === undefined ? {} : { file }) })
      .catch((error: unknown) => wasCancelled(error) || report(error));
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
          aria-label={`Download ${variant.quantization ?? variant.name}`}
          disabled={known}
          onClick={get}
        >
          {known ? "Here" : "Get"}
        </Button>
      </Table.Td>
    </Table.Tr>
  );
}
