import { useCallback, useRef } from "react";
import { useLocation } from "wouter";

/** Navigate where something leads that takes a while, from the page that began it: who has left it
 * meanwhile stays where they are. */
export function useNavigateFromHere(): (to: string) => void {
  const [, navigate] = useLocation();
  const here = useRef(location.pathname);
  return useCallback(
    (to) => {
      if (location.pathname === here.current) navigate(to);
    },
    [navigate],
  );
}
