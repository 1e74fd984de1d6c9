/** Pictures on their way into a message. */

import { create } from "zustand";

/** Larger pictures are made smaller: models use about a megapixel, and a line of the connection is bounded. */
const LONGEST_SIDE_PX = 1536;

/** Screenshots and drawings, which PNG keeps exactly, are smaller than this; a photograph as PNG is not. */
const LONGEST_PNG = 1_500_000;

/** A picture as a data: URL. */
export async function dataUrl(file: File): Promise<string> {
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error(`“${file.name}” is no picture that can be read here.`);
  });
  const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const exact = file.type === "image/png" ? canvas.toDataURL("image/png") : null;
  return exact !== null && exact.length <= LONGEST_PNG ? exact : canvas.toDataURL("image/jpeg", 0.9);
}

const NONE: string[] = [];

/** Pictures that are not sent yet, by session; only texts outlast the page. */
const usePictures = create<Record<string, string[]>>(() => ({}));

export const usePicturesOf = (id: string): string[] => usePictures((all) => all[id] ?? NONE);

export const picturesOf = (id: string): string[] => usePictures.getState()[id] ?? NONE;

export const keepPictures = (id: string, urls: string[]): void => usePictures.setState({ [id]: urls });
