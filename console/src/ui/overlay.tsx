import { useEffect, useId, useRef, useState, type JSX, type ReactNode } from 'react';
import { Icon } from './icons';

interface PopoverProps {
  /** The button that opens it. */
  label: ReactNode;
  name: string;
  className?: string;
  align?: 'left' | 'right';
  children: (close: () => void) => ReactNode;
}

/** A button with a box below it that closes by Escape, by a click elsewhere, or from inside. */
export function Popover({ label, name, className = 'button', align = 'left', children }: PopoverProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    const onPointer = (event: PointerEvent): void => {
      if (event.target instanceof Node && !anchor.current?.contains(event.target)) setOpen(false);
    };
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      setOpen(false);
      anchor.current?.querySelector('button')?.focus();
    };
    document.addEventListener('pointerdown', onPointer);
    document.addEventListener('keydown', onKey, true);
    return () => {
      document.removeEventListener('pointerdown', onPointer);
      document.removeEventListener('keydown', onKey, true);
    };
  }, [open]);

  return (
    <div className="popover-anchor" ref={anchor}>
      <button type="button" className={className} aria-haspopup="dialog" aria-expanded={open} aria-controls={open ? id : undefined} aria-label={name} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open && (
        <div id={id} className={align === 'right' ? 'popover to-left' : 'popover'} role="dialog" aria-label={name}>
          {children(() => setOpen(false))}
        </div>
      )}
    </div>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** A modal dialog; the browser keeps the focus inside and closes it by Escape. */
export function Dialog({ title, onClose, children }: DialogProps): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={ref} className="dialog" aria-labelledby={id} onCancel={(event) => { event.preventDefault(); onClose(); }}>
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" className="button plain small icon" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="content">{children}</div>
    </dialog>
  );
}

interface DrawerProps {
  title: ReactNode;
  name: string;
  actions?: ReactNode;
  onClose: () => void;
  children: ReactNode;
}

/** A sheet from the right: details of one thing, with the list it was in still behind it. */
export function Drawer({ title, name, actions, onClose, children }: DrawerProps): JSX.Element {
  const ref = useRef<HTMLElement>(null);
  const close = useRef(onClose);
  useEffect(() => {
    close.current = onClose;
  });
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.focus();
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]')) close.current();
    };
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('keydown', onKey);
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <>
      <div className="scrim" onClick={onClose} />
      <aside className="drawer" ref={ref} tabIndex={-1} role="dialog" aria-label={name}>
        <header>
          <h2 className="truncate">{title}</h2>
          <span className="grow" />
          {actions}
          <button type="button" className="button plain icon" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        <div className="content">{children}</div>
      </aside>
    </>
  );
}
