import type { Json } from "../api/json";

/** As much of JSON Schema as pydantic writes for parameters. */
export interface Schema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: Json;
  readonly enum?: readonly string[];
  readonly const?: Json;
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly maxLength?: number;
  readonly "x-model"?: { readonly kind: string };
}

export type FieldKind =
  | "integer"
  | "number"
  | "boolean"
  | "choice"
  | "choices"
  | "model"
  | "text"
  | "paragraph"
  | "texts"
  | "json";

/** One field of a form. */
export interface FieldSpec {
  readonly name: string;
  readonly label: string;
  readonly kind: FieldKind;
  readonly description: string;
  /** What holds where nothing is given. */
  readonly default: Json;
  /** Whether `null` is a value: the model's own, the pipeline's. */
  readonly nullable: boolean;
  readonly choices: readonly string[];
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  /** The kind of model that it names, of `model` fields. */
  readonly modelKind: string | undefined;
}

/** Texts that may be longer than this are written in a field of several lines. */
const LINE = 4096;

/** The fields of an object's schema, in its order. */
export function fieldsOf(schema: Schema): readonly FieldSpec[] {
  const definitions = schema.$defs ?? {};
  return Object.entries(schema.properties ?? {}).map(([name, property]) =>
    fieldOf(name, property, definitions),
  );
}

function fieldOf(name: string, schema: Schema, definitions: Schema["$defs"]): FieldSpec {
  const options = (schema.anyOf ?? [schema]).map((option) => resolve(option, definitions));
  const nullable = options.some((option) => option.type === "null");
  const given = options.filter((option) => option.type !== "null");
  const only = given.length === 1 ? given[0] : undefined;
  const items = resolve(only?.items ?? {}, definitions);
  const kind = only === undefined ? "json" : kindOf(only, items);
  return {
    name,
    label: labelOf(name),
    kind,
    description: schema.description ?? only?.description ?? "",
    default: schema.default ?? null,
    nullable,
    choices: only?.enum ?? items.enum ?? [],
    minimum: only?.minimum ?? only?.exclusiveMinimum,
    maximum: only?.maximum ?? only?.exclusiveMaximum,
    modelKind: only?.["x-model"]?.kind,
  };
}

function kindOf(schema: Schema, items: Schema): FieldKind {
  if (schema["x-model"] !== undefined) return "model";
  if (schema.enum !== undefined) return "choice";
  switch (schema.type) {
    case "integer":
    case "number":
    case "boolean":
      return schema.type;
    case "string":
      return (schema.maxLength ?? 0) > LINE ? "paragraph" : "text";
    case "array":
      if (items.enum !== undefined) return "choices";
      return items.type === "string" ? "texts" : "json";
    default:
      return "json";
  }
}

function resolve(schema: Schema, definitions: Schema["$defs"]): Schema {
  const name = schema.$ref?.replace("#/$defs/", "");
  const found = name === undefined ? undefined : definitions?.[name];
  return found === undefined ? schema : { ...found, ...schema };
}

/** `guidance_scale` as people read it. */
export function labelOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
