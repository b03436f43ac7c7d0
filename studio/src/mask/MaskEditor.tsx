import { useState } from "react";
import { Button } from "../ui/Button";
import { NumberField, SelectField } from "../ui/fields";
import { MaskCanvas } from "./MaskCanvas";
import type { MaskStep } from "./strokes";

interface Props {
  readonly url: string;
  readonly alt: string;
  readonly width: number;
  readonly height: number;
  readonly steps: readonly MaskStep[];
  readonly onSteps: (steps: readonly MaskStep[]) => void;
  /** Boxes that can be marked as a whole, with their names. */
  readonly boxes: readonly {
    readonly name: string;
    readonly box: readonly [number, number, number, number];
  }[];
  /** What is done with the mask. */
  readonly children?: React.ReactNode;
}

/** Brush, eraser, invert, undo: where a picture is to be painted again. */
export function MaskEditor({ steps, onSteps, boxes, children, ...picture }: Props) {
  const [tool, setTool] = useState<"brush" | "eraser">("brush");
  const [size, setSize] = useState(Math.round(picture.width / 8));
  const [undone, setUndone] = useState<readonly MaskStep[]>([]);
  const add = (step: MaskStep) => {
    onSteps([...steps, step]);
    setUndone([]);
  };
  const undo = () => {
    const last = steps.at(-1);
    if (last === undefined) return;
    onSteps(steps.slice(0, -1));
    setUndone([...undone, last]);
  };
  const redo = () => {
    const last = undone.at(-1);
    if (last === undefined) return;
    onSteps([...steps, last]);
    setUndone(undone.slice(0, -1));
  };
  return (
    <div className="mask-tools">
      <MaskCanvas {...picture} tool={tool} size={size} steps={steps} onStep={add} />
      <div className="stack">
        <SelectField
          label="Tool"
          value={tool}
          onChange={setTool}
          choices={[
            { id: "brush", label: "Brush" },
            { id: "eraser", label: "Eraser" },
          ]}
        />
        <NumberField
          label="Size of the brush"
          hint="In pixels of the picture."
          value={size}
          onChange={(found) => found !== null && setSize(found)}
          minimum={1}
          maximum={Math.max(picture.width, picture.height)}
          step={1}
        />
        <div className="row">
          <Button onPress={undo} isDisabled={steps.length === 0}>
            Undo
          </Button>
          <Button onPress={redo} isDisabled={undone.length === 0}>
            Redo
          </Button>
          <Button onPress={() => add({ kind: "invert" })}>Invert</Button>
          <Button onPress={() => add({ kind: "clear" })} isDisabled={steps.length === 0}>
            Clear
          </Button>
          {boxes.map(({ name, box }) => (
            <Button key={`${name}-${box.join("-")}`} onPress={() => add({ kind: "box", box })}>
              Mark {name}
            </Button>
          ))}
        </div>
        {children}
      </div>
    </div>
  );
}
