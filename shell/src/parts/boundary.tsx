import { Component, type ReactNode } from "react";
import { ErrorCard } from "./error_card";

/** A page that fails shows so; the others and the frame stay. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return (
      <div className="content">
        {/* A page whose file could not be fetched stays so until everything is loaded again. */}
        <ErrorCard error={this.state.error} onRetry={() => location.reload()} />
      </div>
    );
  }
}
