/** The file, where it can be read; throws an `Error` that says why it may not be.
 *
 * Folders are dropped as files, too, and a file may have gone since it was chosen. Browsers tell so
 * only where they read it: a request that would send it fails as where no server is.
 */
export async function readable(file: File): Promise<File> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error(
      `${file.name} cannot be read: it is a folder, or was moved or changed. Choose the file again.`,
    );
  }
  return file;
}
