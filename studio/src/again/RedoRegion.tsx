import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useRequestKey } from "../api/requestKey";
import { randomSeed } from "../api/seeds";
import type { JobDocument } from "../api/types";
import { routes } from "../app/routes";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Problems } from "../ui/Problems";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";
import { redoChanges } from "./redoRegion";
import { rerun } from "./rerun";

interface Props {
  readonly job: JobDocument;
  /** The detailer that painted the region. */
  readonly step: string;
  /** Of the region, from 1. */
  readonly number: number;
}

/** Paint one region once more with another seed; outside of it nothing changes. */
export function RedoRegion({ job, step, number }: Props) {
  const navigate = useNavigateFromHere();
  // One seed as long as the page is open: pressing twice is asking once.
  const [seed] = useState(randomSeed);
  const keyOf = useRequestKey();
  const redo = useMutation({
    mutationFn: () => {
      const changes = redoChanges(job, step, number, seed);
      return rerun(job, { from_stage: step, changes }, keyOf);
    },
    onSuccess: (made) => navigate(`${routes.job(made.id)}?panel=regions`),
  });
  return (
    <>
      <Button isPending={redo.isPending} onPress={() => redo.mutate()}>
        <Icon name="again" size={16} />
        Paint region {number} again
      </Button>
      <Problems error={redo.error} />
    </>
  );
}
