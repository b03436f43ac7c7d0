import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useSearchParams } from "wouter";
import { api, dataOf } from "../api/client";
import { readHash, writeHash } from "../api/hash";
import { toJson } from "../api/json";
import { jobQuery } from "../api/queries";
import { useRequestKey } from "../api/requestKey";
import type { JobDocument } from "../api/types";
import { routes } from "../app/routes";
import { promptOf } from "../jobs/names";
import { type Picture, picturesOf, regionsOf } from "../jobs/pictures";
import { MaskEditor } from "../mask/MaskEditor";
import { isBlank, maskFile } from "../mask/strokes";
import { upload } from "../picture/uploads";
import { Button } from "../ui/Button";
import { NumberField, TextField } from "../ui/fields";
import { PageHeading } from "../ui/PageHeading";
import { Pending } from "../ui/Pending";
import { Problems } from "../ui/Problems";
import { useNavigateFromHere } from "../ui/useNavigateFromHere";
import { inpaintRequest } from "./inpaint";
import { type Size, useKeptMask } from "./useKeptMask";

/** Mark a part of a job's picture, and have that part painted again. */
export default function InpaintPage({ id }: { readonly id: string }) {
  const query = useQuery(jobQuery(id));
  const [search] = useSearchParams();
  const job = query.data;
  if (job === undefined) return <Pending error={query.error} title="This job cannot be shown" />;
  const pictures = picturesOf(job);
  const picture = pictures.find(({ name }) => name === search.get("show")) ?? pictures.at(-1);
  if (picture === undefined) {
    return <Pending error={NO_PICTURE} title="There is nothing to paint again" />;
  }
  return <Inpaint key={picture.url} job={job} picture={picture} />;
}

const NO_PICTURE = new Error("This job made no picture yet.");

interface Props {
  readonly job: JobDocument;
  readonly picture: Picture;
}

function Inpaint({ job, picture }: Props) {
  const { size, error } = useSize(picture.url);
  const keyOf = useRequestKey();
  const navigate = useNavigateFromHere();
  const mask = useKeptMask(size);
  const { steps } = mask;
  const [prompt, setPrompt] = useState(() => readHash().get("prompt") ?? promptOf(job));
  const [strength, setStrength] = useState(() => numberIn("strength", 0.7));
  const [feather, setFeather] = useState(() => numberIn("feather", 3));
  useEffect(() => {
    writeHash({ prompt, strength: String(strength ?? ""), feather: String(feather ?? "") });
  }, [prompt, strength, feather]);
  const paint = useMutation({
    mutationFn: async () => {
      if (size === null || steps === null) throw new Error("The picture is not there yet.");
      const { id } = await upload(await maskFile(steps, size), "mask");
      const given = { prompt, picture: picture.name, mask: id, strength, feather };
      const body = inpaintRequest(job, given);
      const headers = { "Idempotency-Key": keyOf(toJson(body)) };
      return dataOf(api.POST("/v1/jobs", { body, headers }));
    },
    onSuccess: (made) => navigate(routes.job(made.id)),
  });
  const regions = regionsOf(job).at(0);
  const scale = regions === undefined || size === null ? 1 : size.width / regions.size[0];
  return (
    <article className="stack">
      <PageHeading title="Paint a part again" />
      <Problems error={error} />
      <Problems error={mask.error} title="The mask is not kept" />
      {size === null || steps === null ? (
        error === null && <p role="status">Loading the picture…</p>
      ) : (
        <MaskEditor
          url={picture.url}
          alt={`${picture.label}: ${prompt}`}
          width={size.width}
          height={size.height}
          steps={steps}
          onSteps={mask.setSteps}
          boxes={(regions?.regions ?? []).map((region, index) => ({
            name: `region ${index + 1}, ${region.label}`,
            box: region.box.map((side) => Math.round(side * scale)) as [
              number,
              number,
              number,
              number,
            ],
          }))}
        >
          <TextField label="Prompt of the part" rows={3} value={prompt} onChange={setPrompt} />
          <NumberField
            label="Strength"
            hint="How far it may change: 1 replaces it."
            value={strength}
            onChange={setStrength}
            minimum={0.01}
            maximum={1}
            step={0.01}
          />
          <NumberField
            label="Feather"
            hint="How soft the mask's edge is, in pixels."
            value={feather}
            onChange={setFeather}
            minimum={0}
            maximum={128}
            step={1}
          />
          <Button
            kind="primary"
            isPending={paint.isPending}
            isDisabled={isBlank(steps)}
            onPress={() => paint.mutate()}
          >
            Paint inside the mask
          </Button>
          <p className="small muted" role="status">
            {isBlank(steps)
              ? "Mark a part of the picture first."
              : mask.isKept && "The mask is kept: this address opens it again."}
          </p>
          <Problems error={paint.error} />
        </MaskEditor>
      )}
    </article>
  );
}

/** A number of the address, which may have been cleared; `usual` where it has none. */
function numberIn(name: string, usual: number): number | null {
  const text = readHash().get(name);
  if (text === null || Number.isNaN(Number(text))) return usual;
  return text === "" ? null : Number(text);
}

function useSize(url: string) {
  const [size, setSize] = useState<Size | null>(null);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    const image = new Image();
    image.onload = () => setSize({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () =>
      setError(new Error("The picture cannot be loaded: is its job still there? Load it again."));
    image.src = url;
    return () => {
      image.onload = null;
      image.onerror = null;
    };
  }, [url]);
  return { size, error };
}
