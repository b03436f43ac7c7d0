import "./Dialog.css";
import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";

interface Props {
  readonly title: string;
  readonly isOpen: boolean;
  /** It was left without an answer. */
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** What can be done, the usual way out first. */
  readonly actions: ReactNode;
  /** Whether it asks before something that cannot be undone. */
  readonly isAlert?: boolean;
}

/** A question or a look at something, over the page; Escape leaves it. */
export function Dialog({ title, isOpen, onClose, children, actions, isAlert = false }: Props) {
  return (
    <ModalOverlay
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
      isDismissable={!isAlert}
      className="modal-overlay"
    >
      <Modal>
        <AriaDialog className="dialog card" role={isAlert ? "alertdialog" : "dialog"}>
          <Heading slot="title" level={2}>
            {title}
          </Heading>
          {children}
          <div className="dialog-actions">{actions}</div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
