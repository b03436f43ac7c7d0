import { useEffect, useState } from "react";
import { pictureIn } from "./uploads";

/** Take the picture that is dropped anywhere on the page, where no part of it has taken it; whether
 * files are held over it. */
export function useDrop(onDrop: (file: File) => void): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const over = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      setOver(false);
      const file = pictureIn(event.dataTransfer);
      if (file === null || event.defaultPrevented) return;
      event.preventDefault();
      onDrop(file);
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
    };
  }, [onDrop]);
  return isOver;
}
