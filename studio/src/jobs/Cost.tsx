import "./Cost.css";
import { Dialog, DialogTrigger, Popover } from "react-aria-components";
import type { EstimateDocument } from "../api/types";
import { labelOf } from "../forms/schema";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { costInShort, imagesText, memoryText, secondsText } from "./costText";

/** What a draft will cost before it starts: in short, and stage by stage on demand. */
export function Cost({ estimate }: { readonly estimate: EstimateDocument }) {
  return (
    <DialogTrigger>
      <span className="cost-head">
        <Button kind="quiet">
          <span>
            <span className="hidden">It will cost: </span>
            {costInShort(estimate)}
          </span>
          <Icon name="chevron" size={14} />
        </Button>
      </span>
      <Popover className="popover" placement="top start">
        <Dialog className="stack-2 cost-popover" aria-label="What it will cost">
          <table className="cost-table">
            <thead>
              <tr>
                <th scope="col">Stage</th>
                <th scope="col">Size</th>
                <th scope="col" className="number-cell">
                  Time
                </th>
              </tr>
            </thead>
            <tbody>
              {(estimate.steps ?? []).map((step) => (
                <tr key={step.stage}>
                  <th scope="row">{labelOf(step.stage)}</th>
                  <td className="muted">
                    {step.width === null ? "" : `${step.width} × ${step.height}`}
                    {step.steps === null ? "" : `, ${step.steps} steps`}
                  </td>
                  <td className="number-cell">
                    {step.enabled ? secondsText(step.seconds, step.basis) : "nothing to do"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <p className="hint">
            {imagesText(estimate.images ?? 0)}. Memory: {memoryText(estimate.weights_bytes ?? null)}
            . Times are those of jobs that ended here; waiting and loading models come on top.
          </p>
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}
