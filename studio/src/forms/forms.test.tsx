import { fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { expect, test } from "vitest";
import type { Json } from "../api/json";
import type { StageDocument } from "../api/types";
import { moved } from "./NumericField";
import { documents, LISTS, numbers } from "./notations";
import { type Params, StageForm } from "./StageForm";

test("numbers keep every digit, and what is none stays what was typed", () => {
  const { read, write } = numbers(null);
  expect(read("9223372036854775806")).toBe(9223372036854775806n);
  expect(read(" 12 ")).toBe(12);
  expect(read("1.")).toBe(1);
  expect(read("")).toBe(null);
  expect(read("twelve")).toBe("twelve");
  expect(write(9223372036854775806n)).toBe("9223372036854775806");
});

test("arrows move within the range, in whole steps", () => {
  expect(moved(0.3, 0.05, 0, 1)).toBe(0.35);
  expect(moved(0.98, 0.05, 0, 1)).toBe(1);
  expect(moved(null, 1, 1, 200)).toBe(1);
  expect(moved("twelve", 1, 1, 200)).toBe(1);
  expect(moved(9223372036854775806n, 1, 0, undefined)).toBe(9223372036854775807n);
});

test("JSON that is none yet stays typed", () => {
  const { read, write } = documents(undefined);
  expect(read('[{"a"')).toBe('[{"a"');
  expect(write('[{"a"')).toBe('[{"a"');
  expect(read('{"a": 1}')).toEqual({ a: 1 });
  expect(read(" ")).toBe(undefined);
  expect(LISTS.read("a, ,b,")).toEqual(["a", "b"]);
});

const STAGE = {
  name: "finisher",
  important: ["grain"],
  params: {
    properties: {
      grain: { type: "number", minimum: 0, maximum: 1, default: 0 },
      styles: { type: "array", items: { type: "string" }, default: [] },
    },
  },
} as unknown as StageDocument;

function Form({ onParams }: { readonly onParams: (params: Params) => void }) {
  const [params, setParams] = useState<Params>({});
  return (
    <StageForm
      stage={STAGE}
      params={params}
      base={{}}
      errors={{ grain: "grain: too much." }}
      onChange={(name, value) => {
        const { [name]: _, ...others } = params;
        const now = value === undefined ? others : { ...others, [name]: value as Json };
        setParams(now);
        onParams(now);
      }}
    />
  );
}

test("a changed field says so and is reset; the less important ones are below More", () => {
  let params: Params = {};
  render(<Form onParams={(found) => (params = found)} />);
  fireEvent.change(screen.getByLabelText("Grain"), { target: { value: "0.2" } });
  expect(params).toEqual({ grain: 0.2 });
  expect(screen.getByText("grain: too much.")).toBeTruthy();
  fireEvent.click(screen.getByRole("button", { name: "Reset Grain" }));
  expect(params).toEqual({});
  fireEvent.click(screen.getByRole("button", { name: /More/ }));
  const styles = screen.getByLabelText<HTMLInputElement>("Styles");
  fireEvent.change(styles, { target: { value: "ink, " } });
  expect(styles.value).toBe("ink, ");
  expect(params).toEqual({ styles: ["ink"] });
});
