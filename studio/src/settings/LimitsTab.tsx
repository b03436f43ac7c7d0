import { useSession } from "../session/session";
import { bytesText, countText } from "../ui/format";
import { Pairs } from "../ui/Pairs";

/** What may be asked for at most; more is refused, with these numbers. */
export function LimitsTab() {
  const limits = useSession()?.limits;
  if (limits == null) return <p>The server tells no limits.</p>;
  return (
    <section className="card stack" aria-label="Limits">
      <h2>Limits</h2>
      <Pairs
        pairs={[
          ["An uploaded picture", bytesText(limits.max_image_bytes)],
          ["Pixels of an uploaded picture", countText(limits.max_image_pixels)],
          ["Pixels of all pictures of a request", countText(limits.max_output_pixels)],
          ["A request without pictures", bytesText(limits.max_body)],
          ["Characters of a prompt", countText(limits.max_prompt)],
          ["Stages of a config", countText(limits.max_stages)],
          ["Jobs of a group", countText(limits.max_group)],
          ["Your jobs that may wait and run", countText(limits.max_queued)],
          ["Jobs of everyone that may wait and run", countText(limits.max_queued_of_all)],
          [
            "Requests a second",
            limits.rate == null
              ? "not counted"
              : `${limits.rate}, and ${countText(limits.burst)} at once`,
          ],
          ["An upload is kept for", `${limits.uploads_hours} h`],
        ]}
      />
      <p className="muted small">Whoever runs the server changes them in its settings.</p>
    </section>
  );
}
