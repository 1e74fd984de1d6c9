import { Image, Text } from "@mantine/core";

/** What the person said. */
export function SaidView({ text, images }: { text: string; images: readonly string[] }) {
  return (
    <div className="said">
      <div className="said-text">
        {images.map((url, index) => (
          <Image
            key={url.slice(-64)}
            src={url}
            alt={`Picture ${index + 1} of this message`}
            mah={260}
            w="auto"
            fit="contain"
            radius="sm"
            mb={6}
          />
        ))}
        <Text component="div" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
          {text}
        </Text>
      </div>
    </div>
  );
}
