import { useQuery } from "@tanstack/react-query";
import { queueQuery } from "../api/queries";
import { Problems } from "../ui/Problems";

/** Milliseconds between two looks: where the database is full, no event tells anything. */
const PAUSE = 5_000;

/** Why jobs that have not ended do not go on, as long as something keeps the server from it. */
export function WorkerProblem() {
  const { data } = useQuery({ ...queueQuery, refetchInterval: PAUSE });
  const problem = data?.problem ?? null;
  if (problem === null) return null;
  return <Problems error={new Error(problem)} title="Nothing goes on for now" />;
}
