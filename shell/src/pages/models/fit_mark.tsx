import { Skeleton, Text } from "@mantine/core";
import { useAnswer } from "../../link/use_answer";
import { bytes } from "../../parts/format";

/** Whether a model of the library fits: yes, with so many layers, or by how much it does not. */
export function FitMark({ model }: { model: string }) {
  const { value, error } = useAnswer(`fits ${model}`, (client, signal) =>
    client.estimate_memory({ model, quick: true }, { signal }),
  );
  if (error !== undefined) return <span />;
  if (value === undefined) return <Skeleton height={18} width={120} />;
  const short = Math.max(0, ...value.devices.map(({ short_by_bytes }) => short_by_bytes));
  const gpu = value.n_gpu_layers > 0;
  const words = !value.fits
    ? `Needs ${bytes(short)} more memory`
    : gpu
      ? value.n_gpu_layers >= value.total_layers
        ? "Fits on the GPU"
        : `Fits with ${value.n_gpu_layers} of ${value.total_layers} layers on the GPU`
      : `Fits in memory, ${bytes(value.total_bytes)}`;
  return (
    <Text size="sm" title={value.message}>
      <span className="dot" data-state={value.fits ? "good" : "bad"} aria-hidden /> {words}
    </Text>
  );
}
