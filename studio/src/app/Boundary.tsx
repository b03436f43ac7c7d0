import { Component, type ReactNode } from "react";
import { Button } from "../ui/Button";
import { Problems } from "../ui/Problems";

interface State {
  readonly error: unknown;
}

/** Keeps what goes wrong in one page from taking the others along: its script could not be loaded
 * since the server is away or another by now, or it failed. */
export class Boundary extends Component<{ readonly children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error ?? new Error("It failed without a word.") };
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return (
      <div className="stack">
        <Problems error={this.state.error} title="This page cannot be shown" />
        <div className="row">
          <Button onPress={() => location.reload()}>Load it again</Button>
        </div>
      </div>
    );
  }
}
