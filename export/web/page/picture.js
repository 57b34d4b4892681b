/**
 * From a file to a picture that can be shown and upscaled.
 */

/** A file that is no picture for us; the message is for the visitor. */
export class PictureError extends Error {}

/**
 * Read a file without decoding more than its header.
 *
 * @param {File} file
 * @returns {Promise<{name: string, url: string, file: File, width: number, height: number}>}
 *   Size as turned upright by EXIF. `url` must be revoked in the end.
 * @throws {PictureError} It is empty, no picture, damaged, or of a kind this browser lacks.
 */
export async function openPicture(file) {
  if (file.size === 0) throw new PictureError(`${file.name} is empty (0 bytes).`);
  if (!file.type.startsWith("image/") || file.type === "image/svg+xml") {
    throw new PictureError(
      `${file.name} is not a photograph. Choose a JPEG, PNG, WebP, AVIF, GIF or BMP file.`,
    );
  }
  const url = URL.createObjectURL(file);
  try {
    const { width, height } = await load(url);
    return { name: file.name, url, file, width, height };
  } catch {
    URL.revokeObjectURL(url);
    throw new PictureError(
      `${file.name} is damaged, or this browser cannot read ${file.type} files.`,
    );
  }
}

/**
 * Decode a picture's pixels: upright, 8 bits a channel, sRGB.
 *
 * @throws {PictureError} Its header was fine, its pixels are not.
 */
export async function decode({ name, file }) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new PictureError(`${name} is damaged.`);
  }
}

function load(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = reject;
    image.src = url;
  });
}
