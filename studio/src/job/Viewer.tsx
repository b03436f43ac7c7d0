import "../ui/zoom.css";
import "./Viewer.css";
import { type ReactNode, useRef } from "react";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { useZoom } from "../ui/useZoom";

interface Props {
  readonly url: string;
  readonly alt: string;
  /** Another picture under it, seen left of a line. */
  readonly compared?:
    | { readonly url: string; readonly alt: string; readonly part: number }
    | undefined;
  /** What is drawn over the picture, by parts of its width and height. */
  readonly children?: ReactNode;
}

/** A picture, to be looked at closely. */
export function Viewer({ url, alt, compared, children }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const { view, fit, zoomBy, handlers } = useZoom(frame);
  return (
    <div className="viewer">
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms */}
      <div
        ref={frame}
        className="zoom-frame"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move and zoom the picture
        tabIndex={0}
        role="group"
        aria-label="Picture: plus and minus zoom, arrows move, 0 fits it in"
        data-zoomed={view.scale > 1 || undefined}
        {...handlers}
      >
        <div
          className="layers"
          style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})` }}
        >
          <img className="top" src={url} alt={alt} draggable={false} data-close={view.scale > 3} />
          {compared !== undefined && (
            <>
              <img
                className="under"
                src={compared.url}
                alt={compared.alt}
                draggable={false}
                data-close={view.scale > 3}
                style={{ clipPath: `inset(0 ${100 - compared.part}% 0 0)` }}
              />
              <span className="line" style={{ left: `${compared.part}%` }} />
            </>
          )}
          {children}
        </div>
      </div>
      <div className="viewer-tools" role="toolbar" aria-label="Zoom">
        <Button kind="quiet" aria-label="Zoom out" onPress={() => zoomBy(1 / 1.5)}>
          −
        </Button>
        <span className="small">{Math.round(view.scale * 100)} %</span>
        <Button kind="quiet" aria-label="Zoom in" onPress={() => zoomBy(1.5)}>
          <Icon name="plus" size={16} />
        </Button>
        <Button kind="quiet" onPress={fit}>
          Fit
        </Button>
      </div>
    </div>
  );
}
