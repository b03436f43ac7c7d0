/** The names of steps, from the names of their stages in order: a stage that is there again has its
 * number behind its name. */
export function stepNames(stages: readonly string[]): readonly string[] {
  const seen = new Map<string, number>();
  return stages.map((stage) => {
    const count = (seen.get(stage) ?? 0) + 1;
    seen.set(stage, count);
    return count === 1 ? stage : `${stage}_${count}`;
  });
}
