/** Who asks where no key is needed. */
export const ANYONE = "anyone";

/** Whether `who` may not see what `before` left: each key has its own. What was there before keys
 * were, everyone may see. */
export function isAnother(before: string | null, who: string | null): boolean {
  return before !== null && before !== ANYONE && who !== null && who !== before;
}
