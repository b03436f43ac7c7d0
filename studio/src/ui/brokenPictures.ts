import { useEffect, useState } from "react";
import { useConnected } from "../api/live";

/** Load again the pictures of the page that could not be loaded, once the server is back: browsers
 * try once. */
export function useBrokenPictures(): void {
  const isConnected = useConnected();
  useEffect(() => {
    if (!isConnected) return;
    for (const image of document.images) {
      if (image.complete && image.naturalWidth === 0 && image.src !== "")
        image.src = `${image.src}`;
    }
  }, [isConnected]);
}

/** Whether a picture is shown as one that cannot be loaded, and how to have it so: until the
 * connection was lost and is back. */
export function useGone(): readonly [boolean, () => void] {
  const isConnected = useConnected();
  const [isGone, setGone] = useState(false);
  useEffect(() => {
    if (isConnected) setGone(false);
  }, [isConnected]);
  return [isGone, () => setGone(true)];
}
